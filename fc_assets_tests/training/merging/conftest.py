"""Small adapters of the embedded model, as training would have left them."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer

from fc_assets.profiles import EMBEDDED, LoraSettings
from fc_assets.training.jobs import CheckpointSource
from fc_assets.training.trainer.arguments import lora_config
from fc_assets.training.trainer.checkpoints import load_checkpoint, save_adapter
from fc_assets_tests.training.conftest import FIVE_MINUTES, timer_turn

LOG = logging.getLogger(__name__)
SOURCE = CheckpointSource(name="somebody/base", revision="c1899de", source="hub")
TURNS = [timer_turn(str(number), FIVE_MINUTES) for number in range(2)]


def let_it_learn(adapted: PeftModel, size: float = 0.1) -> PeftModel:
    """Give an adapter as peft makes it, whose second matrix is zero, an effect."""
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=size)
    return adapted


def write_adapter(
    out: Path,
    base: Path = EMBEDDED,
    *,
    seed: int = 0,
    rank: int = 4,
    alpha: int = 8,
    size: float = 0.1,
    rslora: bool = False,
) -> Path:
    """An adapter of the checkpoint `base` with random matrices, those after the first of standard deviation `size`."""
    torch.manual_seed(seed)
    model, _ = load_checkpoint(base, bf16=False)
    settings = LoraSettings(rank=rank, alpha=alpha, rslora=rslora)
    save_adapter(let_it_learn(get_peft_model(model, lora_config(settings)), size), SOURCE, out)
    return out


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """An adapter of the embedded model."""
    return write_adapter(tmp_path / "adapter")


def scaled(adapted: PeftModel, factor: float, only: str = "") -> None:
    """Change the strength of the layers of an attached adapter whose name holds `only`."""
    for name, module in adapted.named_modules():
        if isinstance(module, LoraLayer) and only in name:
            module.scaling = {adapter: scale * factor for adapter, scale in module.scaling.items()}


@pytest.fixture
def spoilt_merge(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[PeftModel], object]], None]:
    """A merge that goes wrong: what is given is done to the adapted model just before peft merges it."""

    def install(spoil: Callable[[PeftModel], object]) -> None:
        def wrong(self: PeftModel, **options: object) -> torch.nn.Module:
            spoil(self)
            return self.base_model.merge_and_unload(**options)

        monkeypatch.setattr(PeftModel, "merge_and_unload", wrong, raising=False)

    return install
