"""Bars: which side is lenient, what is recorded, and what is read back."""

import pytest

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.thresholds import Bar, Kind, Threshold, defined_bar, recorded_threshold
from fc_assets.profiles import load_profile

DEMO = load_profile("demo")


@pytest.mark.parametrize(
    ("kind", "value", "asked", "lenient"),
    [
        (Kind.AT_LEAST, 0.8, 0.9, True),
        (Kind.AT_LEAST, 0.9, 0.9, False),
        (Kind.AT_LEAST, 0.95, 0.9, False),
        (Kind.AT_MOST, 0.1, 0.05, True),
        (Kind.AT_MOST, 0.05, 0.05, False),
        (Kind.AT_MOST, 0.01, 0.05, False),
        (Kind.EXACTLY, 0.2, 0.1, True),
        (Kind.EXACTLY, 0.05, 0.1, True),
        (Kind.EXACTLY, 0.1, 0.1, False),
        (Kind.ALL_OF, "simple", "simple, multiple", True),
        (Kind.ALL_OF, "", "simple", True),
        (Kind.ALL_OF, "multiple, parallel, simple", "simple, multiple", False),
        (Kind.ALL_OF, "simple", "", False),
        (Kind.AT_LEAST, "0.9", 0.9, False),
        (Kind.AT_LEAST, "everything", 0.9, True),
    ],
)
def test_the_side_on_which_a_bar_is_lenient(kind: Kind, value: float | str, asked: float | str, lenient: bool) -> None:
    assert Threshold("s", kind, value).is_more_lenient_than(Threshold("s", kind, asked)) is lenient


def test_what_is_recorded_is_read_back() -> None:
    bar = Bar[float]("gates.sft.parse_rate", Kind.AT_LEAST)
    assert bar.value(DEMO) == DEMO.gates.sft.parse_rate
    recorded = bar.record(0.25)
    assert recorded == {
        "threshold": 0.25,
        "threshold_setting": "gates.sft.parse_rate",
        "threshold_kind": "at_least",
    }
    assert recorded_threshold(recorded) == bar.at(0.25)
    assert defined_bar(bar.definition) == bar
    assert str(bar.at(0.25)) == "at least 0.25"


def test_words_are_recorded_as_one_text() -> None:
    bar = Bar[tuple[str, ...]]("bfcl.categories", Kind.ALL_OF)
    assert bar.record(("simple", "multiple"))["threshold"] == "simple, multiple"
    assert recorded_threshold(bar.record(bar.value(DEMO))) == bar.at(DEMO.bfcl.categories)


def test_a_number_is_shown_whole() -> None:
    assert str(Threshold("s", Kind.AT_MOST, 1_048_576)) == "at most 1048576"


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"threshold": 0.5},
        {"threshold": None, "threshold_setting": "s", "threshold_kind": "at_least"},
        {"threshold": 0.5, "threshold_setting": "s", "threshold_kind": "roughly"},
    ],
)
def test_a_record_that_cannot_be_read_is_none(values: dict[str, object]) -> None:
    assert recorded_threshold(values) is None


def test_a_definition_that_names_half_a_bar_is_refused() -> None:
    assert defined_bar({"other": "metadata"}) is None
    for half in ({"threshold_setting": "s"}, {"threshold_setting": "s", "threshold_kind": "roughly"}):
        with pytest.raises(FcAssetsError, match="names its bar wrongly"):
            defined_bar(half)
