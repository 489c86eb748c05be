"""A policy in both of its forms: its checkpoint, and one adapter of the base model that gives the same."""

import shutil
from pathlib import Path

import pytest
from peft import PeftConfig, PeftModel

from fc_assets.errors import FcAssetsError
from fc_assets.profiles import EMBEDDED, MergeSettings
from fc_assets.training.merging.comparison import compare, outputs
from fc_assets.training.merging.merge import merge_checkpoint
from fc_assets.training.merging.policy import Ancestors, publish_policy
from fc_assets.training.trainer import checkpoints
from fc_assets.training.trainer.checkpoints import load_checkpoint
from fc_assets_tests.training.merging.conftest import LOG, SOURCE, TURNS, write_adapter


@pytest.fixture
def trained(adapter: Path, tmp_path: Path) -> tuple[Path, Ancestors]:
    """An adapter of the model into which `adapter` was merged, in bf16, and what they stand on."""
    model = tmp_path / "merged"
    merge_checkpoint(EMBEDDED, adapter, model, TURNS, MergeSettings(), LOG, bf16=True)
    second = write_adapter(tmp_path / "second", model, seed=1, rank=2, alpha=2, size=0.05)
    return second, Ancestors(model, EMBEDDED, SOURCE, adapter)


@pytest.mark.parametrize("bf16", [False, True])
def test_the_base_and_the_published_adapter_are_the_policy(
    trained: tuple[Path, Ancestors], tmp_path: Path, tokenizer, bf16: bool
) -> None:
    merged, apart = publish_policy(*trained, tmp_path / "out", TURNS, MergeSettings(), LOG, bf16=bf16)
    base, _ = load_checkpoint(EMBEDDED, bf16=False)
    with_adapter = outputs(PeftModel.from_pretrained(base, str(tmp_path / "out" / "adapter")), tokenizer, TURNS)
    checkpoint = outputs(load_checkpoint(tmp_path / "out" / "model", bf16=False)[0], tokenizer, TURNS)
    found = compare(with_adapter, checkpoint)
    assert found.kl == pytest.approx(apart, abs=1e-6)
    of_the_base = outputs(load_checkpoint(EMBEDDED, bf16=False)[0], tokenizer, TURNS)
    assert found.kl < compare(with_adapter, of_the_base).kl / 100
    assert merged.merge_error < 1e-3
    assert PeftConfig.from_pretrained(str(tmp_path / "out" / "adapter")).base_model_name_or_path == SOURCE.name


def test_a_policy_whose_adapter_lacks_what_was_trained_is_refused(
    trained: tuple[Path, Ancestors], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save_only_sft(model: object, base: object, out: Path) -> None:
        shutil.copytree(trained[1].sft_adapter, out)

    monkeypatch.setattr(checkpoints, "save_adapter", save_only_sft)
    with pytest.raises(FcAssetsError, match="is not the sum of the 2 that were trained"):
        publish_policy(*trained, tmp_path / "out", TURNS, MergeSettings(), LOG, bf16=False)
