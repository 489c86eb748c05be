"""Which sources a profile names, and what of them the hub is asked for."""

from pathlib import Path

import pytest

from fc_assets.data.sources.profile_sources import hub_datasets, row_sources
from fc_assets.errors import FcAssetsError
from fc_assets.profiles import DataSettings

FROM_THE_HUB = DataSettings.model_validate({"revision": "abc", "hermes": {"weight": 0.1}})


def test_what_the_hub_is_asked_for(tmp_path: Path):
    assert hub_datasets(DataSettings(source="generator", rows=300), tmp_path) == []
    wanted = hub_datasets(FROM_THE_HUB, tmp_path)
    assert [(each.name, each.revision) for each in wanted] == [
        ("Salesforce/xlam-function-calling-60k", "abc"),
        ("NousResearch/hermes-function-calling-v1", "main"),
    ]
    assert [each.configs for each in wanted] == [(), FROM_THE_HUB.hermes.configs]
    assert len({each.file for each in wanted}) == 2


def test_each_source_has_its_name_licence_and_weight(tmp_path: Path):
    xlam, hermes = row_sources(FROM_THE_HUB, hub_datasets(FROM_THE_HUB, tmp_path))
    assert (xlam.name, xlam.licence, xlam.weight) == ("xlam", "CC-BY-4.0", 0.0)
    assert (hermes.name, hermes.licence, hermes.weight) == ("hermes", "Apache-2.0", 0.1)


def test_a_source_without_a_path():
    with pytest.raises(FcAssetsError, match=r"data\.path is empty"):
        row_sources(DataSettings(source="file"), [])
