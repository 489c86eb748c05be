"""Merging an adapter: right merges pass in fp32 and bf16, wrong ones are refused whatever rounding does."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors import safe_open

from fc_assets.errors import FcAssetsError
from fc_assets.profiles import EMBEDDED, MergeSettings
from fc_assets.training.jobs import MergeResult
from fc_assets.training.merging.merge import merge_checkpoint
from fc_assets.training.trainer import checkpoints
from fc_assets_tests.support import qwen3
from fc_assets_tests.training.merging.conftest import LOG, TURNS, scaled, write_adapter

BOUNDS = MergeSettings()
Spoil = Callable[[Callable[[PeftModel], object]], None]


def merged(adapter: Path, out: Path, *, bf16: bool = False, base: Path = EMBEDDED) -> MergeResult:
    return merge_checkpoint(base, adapter, out, TURNS, BOUNDS, LOG, bf16=bf16)[0]


def types(folder: Path) -> set[str]:
    with safe_open(folder / "model.safetensors", framework="numpy") as file:
        return {file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118


def of_another_base(adapted: PeftModel) -> None:
    """As if the weights under the adapter had been others than those it was compared on."""
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "base_layer" in name:
                parameter.normal_(std=float(parameter.std()))


def test_the_saved_model_is_base_plus_adapter(adapter: Path, tmp_path: Path) -> None:
    found = merged(adapter, tmp_path / "out")
    assert found.turns_compared == len(TURNS) and found.tokens_compared > 100
    assert found.merge_error < 1e-3 and found.rounding_kl < 1e-6 and found.top1_agreement == 1.0
    assert found.adapter_kl > 0.01, "the adapter does something"
    assert types(tmp_path / "out") == {"F32"}
    model, _ = checkpoints.load_checkpoint(tmp_path / "out", bf16=False)
    assert found.parameters == checkpoints.count_parameters(model)
    assert not [name for name, _ in model.named_parameters() if "lora" in name]


def test_rounding_to_bf16_passes_and_is_stated(adapter: Path, tmp_path: Path) -> None:
    found = merged(adapter, tmp_path / "out", bf16=True)
    assert types(tmp_path / "out") == {"BF16"}
    assert json.loads((tmp_path / "out" / "config.json").read_text())["dtype"] == "bfloat16"
    assert found.merge_error < 1e-3, "the merge itself is judged before it is rounded"
    assert 0 < found.rounding_kl < BOUNDS.max_rounding_kl


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda adapted: scaled(adapted, 0.9), id="10 % off in scale"),
        pytest.param(lambda adapted: scaled(adapted, 0.0, "layers.0."), id="one layer not merged"),
        pytest.param(lambda adapted: scaled(adapted, 0.0, "layers.1.mlp.up_proj"), id="one matrix not merged"),
        pytest.param(of_another_base, id="another base"),
    ],
)
@pytest.mark.parametrize("bf16", [False, True])
def test_a_wrong_merge_is_refused(
    adapter: Path, tmp_path: Path, spoilt_merge: Spoil, spoil: Callable[[PeftModel], object], bf16: bool
) -> None:
    spoilt_merge(spoil)
    with pytest.raises(FcAssetsError, match=r"The merged model is not base plus adapter: .* sft\.merge\.max_error"):
        merged(adapter, tmp_path / "out", bf16=bf16)
    assert not (tmp_path / "out").exists()


def test_a_small_adapter_that_is_merged_wrongly_is_refused_where_rounding_hides_it(
    tmp_path: Path, spoilt_merge: Spoil
) -> None:
    """What rounding does to the logits is more than this mistake does: only fp32 shows it."""
    small = write_adapter(tmp_path / "small", size=0.001)
    right = merged(small, tmp_path / "right", bf16=True)
    assert right.rounding_kl > 0.01 * right.adapter_kl, "a tenth of the effect is a hundredth of the divergence"
    spoilt_merge(lambda adapted: scaled(adapted, 0.9))
    with pytest.raises(FcAssetsError, match="is not base plus adapter"):
        merged(small, tmp_path / "wrong", bf16=True)


def test_an_adapter_that_was_not_trained_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FcAssetsError, match="The adapter changes no logit"):
        merged(write_adapter(tmp_path / "idle", size=0.0), tmp_path / "out")


def test_what_is_lost_in_the_files_is_refused(adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save = checkpoints.save_checkpoint

    def lossy(model: object, source: Path, out: Path) -> None:
        save(model, source, out)
        config = json.loads((out / "config.json").read_text())
        rope = {**config["rope_parameters"], "rope_theta": 100.0}
        (out / "config.json").write_text(json.dumps({**config, "rope_theta": 100.0, "rope_parameters": rope}))

    monkeypatch.setattr(checkpoints, "save_checkpoint", lossy)
    with pytest.raises(FcAssetsError, match=r"The saved checkpoint is not base plus adapter: .* nats per token"):
        merged(adapter, tmp_path / "out")


@pytest.mark.long
def test_at_qwen3s_shape_rounding_passes_and_a_tenth_too_little_does_not(tmp_path: Path, spoilt_merge: Spoil) -> None:
    base = qwen3.write_checkpoint(tmp_path / "base")
    adapter = write_adapter(tmp_path / "adapter", base, rank=32, alpha=64, size=0.001)
    turns = TURNS[:1]
    found, _ = merge_checkpoint(base, adapter, tmp_path / "out", turns, BOUNDS, LOG, bf16=True)
    assert found.merge_error < BOUNDS.max_error / 10
    assert found.rounding_kl < BOUNDS.max_rounding_kl / 10
    assert found.parameters == qwen3.PARAMETERS
    shutil.rmtree(tmp_path / "out")
    spoilt_merge(lambda adapted: scaled(adapted, 0.9))
    with pytest.raises(FcAssetsError, match="is not base plus adapter"):
        merge_checkpoint(base, adapter, tmp_path / "out", turns, BOUNDS, LOG, bf16=True)
