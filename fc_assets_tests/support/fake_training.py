"""Forward and backward of the true trainer's model without arithmetic: what it allocates, at any size, in seconds.

torch's fake tensors run the same operators and allocate nothing, so that 28 layers at 2,048 tokens are counted on any
machine.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import Qwen3ForCausalLM

from fc_assets_tests.support import qwen3

SMALL_VOCABULARY = 512
"""The output layer is counted apart, so the model here has next to none."""


class Allocations(TorchDispatchMode):
    """Bytes that live and the most that did, of tensors made while the mode is on and not in `apart`."""

    def __init__(self, apart: list[torch.Tensor]) -> None:
        super().__init__()
        self.live: dict[int, int] = {}
        self.now = self.peak = 0
        self.apart = {tensor.untyped_storage()._cdata for tensor in apart}

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = function(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple | list) else (out,):
            if isinstance(tensor, torch.Tensor):
                self._count(tensor.untyped_storage())
        return out

    def _count(self, storage: Any) -> None:
        key = storage._cdata
        if key in self.live or key in self.apart:
            return
        self.live[key] = storage.nbytes()
        self.now += self.live[key]
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._free, key)

    def _free(self, key: int) -> None:
        self.now -= self.live.pop(key)


def step_peak(
    layers: int,
    rows: int,
    length: int,
    *,
    rank: int,
    dropout: float,
    checkpointing: bool,
    bf16: bool,
    fake: bool = True,
) -> int:
    """Peak bytes of activations and gradients in a forward and backward pass with LoRA on all linear modules.

    Weights and adapter are apart. The batch has padding, as real ones have. Without `fake` the pass is really computed.
    """
    config = qwen3.config(layers)
    config.vocab_size, config.bos_token_id, config.eos_token_id = SMALL_VOCABULARY, 1, 1
    with FakeTensorMode() if fake else _no_mode():
        model = _adapted(config, rank, dropout, bf16=bf16)
        if checkpointing:
            model.enable_input_require_grads()
            model.gradient_checkpointing_enable({"use_reentrant": False})
        model.train()
        ids = torch.ones((rows, length), dtype=torch.long)
        mask = torch.ones_like(ids)
        mask[0, -length // 4 :] = 0
        allocations = Allocations([*model.parameters(), *model.buffers()])
        with allocations:
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
                backbone = model.get_base_model().model
                hidden = backbone(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
            hidden.float().mean().backward()
    return allocations.peak


def _adapted(config: Any, rank: int, dropout: float, *, bf16: bool) -> Any:
    """The model with its adapter, made without weights and then given tensors of the mode that is on."""
    with torch.device("meta"):
        model = Qwen3ForCausalLM._from_config(config, dtype=torch.bfloat16 if bf16 else torch.float32)
        adapter = LoraConfig(task_type="CAUSAL_LM", r=rank, lora_dropout=dropout, target_modules="all-linear")
        model = get_peft_model(model, adapter)
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            value = torch.rand(parameter.shape, dtype=torch.float32).mul(0.02).to(parameter.dtype)
            setattr(module, name, torch.nn.Parameter(value, requires_grad=parameter.requires_grad))
        for name, buffer in module.named_buffers(recurse=False):
            module._buffers[name] = torch.zeros(buffer.shape, dtype=buffer.dtype)
    return model


@contextmanager
def _no_mode() -> Iterator[None]:
    yield
