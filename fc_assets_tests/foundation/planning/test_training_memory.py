"""The sums of a trainer's memory against torch's own bookkeeping at Qwen3-0.6B's shape."""

import pytest

from fc_assets.foundation.planning.shape import QWEN3_0_6B, shape_of
from fc_assets.foundation.planning.training_memory import BF16, FP32, TrainerLoad, on_device, trainer_memory
from fc_assets_tests.support import qwen3

RANK = 32
GIGABYTE = 1e9
TOLERANCE = 0.12


def activations(load: TrainerLoad, layers: int) -> int:
    """The part of the sum that a pass allocates: without weights, adapter and the loss."""
    parts = trainer_memory(QWEN3_0_6B.with_layers(layers), load).parts
    return sum(parts[name] for name in ("activations", "attention mask", "backward of a layer"))


def copied_adapter(layers: int, width: int) -> int:
    """The adapter's copy in bf16. Its gradients come layer by layer, after the peak."""
    return QWEN3_0_6B.with_layers(layers).adapter_parameters(RANK) * BF16 if width == BF16 else 0


def test_the_shape_is_read_from_the_configuration() -> None:
    assert shape_of(qwen3.config().to_dict()) == QWEN3_0_6B
    assert QWEN3_0_6B.parameters == qwen3.PARAMETERS


def test_the_references_of_a_12_gb_card() -> None:
    sft = TrainerLoad(4096, 2048, scored=4096, rank=RANK, dropout=True, checkpointing=True)
    grpo = TrainerLoad(8 * (935 + 256), 935 + 256, scored=8 * 256, rank=RANK, dropout=False, checkpointing=True)
    assert on_device(trainer_memory(QWEN3_0_6B, sft), "cuda").total / GIGABYTE == pytest.approx(3.0, rel=TOLERANCE)
    assert on_device(trainer_memory(QWEN3_0_6B, grpo), "cuda").total / GIGABYTE == pytest.approx(4.2, rel=TOLERANCE)


def test_without_checkpointing_a_token_takes_megabytes() -> None:
    load = TrainerLoad(1, 1, 1, rank=RANK, dropout=True, checkpointing=False, device="cpu")
    assert activations(load, 28) / 1e6 == pytest.approx(3.35, rel=TOLERANCE)


@pytest.mark.slow
@pytest.mark.parametrize("checkpointing", [True, False])
@pytest.mark.parametrize("dropout", [0.0, 0.05])
@pytest.mark.parametrize("width", [BF16, FP32])
def test_the_sum_agrees_with_what_torch_allocates(width: int, dropout: float, checkpointing: bool) -> None:
    require_agreement(8, width, dropout, checkpointing)


@pytest.mark.slow
def test_the_sum_agrees_with_what_torch_allocates_for_all_28_layers() -> None:
    require_agreement(28, BF16, 0.05, checkpointing=True)


def require_agreement(layers: int, width: int, dropout: float, checkpointing: bool) -> None:
    """Compare for a pass of 2 x 2,048 tokens."""
    from fc_assets_tests.support.fake_training import step_peak

    load = TrainerLoad(2 * 2048, 2048, 2 * 2048, RANK, dropout > 0, checkpointing, width, "cpu")
    counted = step_peak(layers, 2, 2048, rank=RANK, dropout=dropout, checkpointing=checkpointing, bf16=width == BF16)
    assert activations(load, layers) + copied_adapter(layers, width) == pytest.approx(counted, rel=TOLERANCE)


@pytest.mark.slow
def test_a_pass_that_is_really_computed_allocates_what_the_fake_one_does() -> None:
    from fc_assets_tests.support.fake_training import step_peak

    settings = {"rank": RANK, "dropout": 0.05, "checkpointing": True, "bf16": True}
    assert step_peak(1, 1, 64, fake=False, **settings) == pytest.approx(step_peak(1, 1, 64, **settings), rel=0.01)
