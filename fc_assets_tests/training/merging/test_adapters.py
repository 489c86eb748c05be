"""Two adapters as one: the base and it are the model into which they were merged one after the other."""

import json
from pathlib import Path

import pytest

from fc_assets.errors import FcAssetsError
from fc_assets.profiles import EMBEDDED
from fc_assets.training.merging.adapters import as_one_adapter, reload_published
from fc_assets.training.trainer.checkpoints import load_checkpoint, save_adapter
from fc_assets_tests.training.merging.conftest import SOURCE, write_adapter


@pytest.fixture(params=[False, True], ids=["", "rslora"])
def adapters(tmp_path: Path, request: pytest.FixtureRequest) -> list[Path]:
    """Two of different rank and scale, the second much the smaller, as after GRPO."""
    return [
        write_adapter(tmp_path / "first", rank=4, alpha=8, rslora=request.param),
        write_adapter(tmp_path / "second", seed=1, rank=2, alpha=2, size=0.001),
    ]


def stacked(adapters: list[Path]):
    return as_one_adapter(load_checkpoint(EMBEDDED, bf16=False)[0], adapters)


def test_one_adapter_is_saved_and_it_is_the_sum(adapters: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "published"
    one = stacked(adapters)
    save_adapter(one, SOURCE, out)
    assert reload_published(one, out, 2, 1e-3) < 1e-3
    config = json.loads((out / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["revision"]) == ("somebody/base", "c1899de")
    assert config["target_modules"] == sorted(config["target_modules"]), "the same work has the same bytes"
    assert (config["r"], sorted(path.name for path in out.iterdir())) == (
        6,
        ["adapter_config.json", "adapter_model.safetensors"],
    )


@pytest.mark.parametrize("lacking", [0, 1])
def test_an_adapter_that_lacks_a_part_is_refused(adapters: list[Path], lacking: int) -> None:
    with pytest.raises(FcAssetsError, match="The published adapter is not the sum of the 2 that were trained"):
        reload_published(stacked(adapters), adapters[1 - lacking], 2, 0.01)
