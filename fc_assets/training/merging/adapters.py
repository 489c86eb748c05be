"""Two LoRA adapters made one, and the proof that it does what they do. Merging one into a model is `merge`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fc_assets.errors import FcAssetsError

_ONE = "default"
"""How peft calls an adapter that has no other name; saving takes this one."""


def as_one_adapter(base: Any, adapters: Sequence[Path]) -> Any:
    """`base` with one adapter that does what these do one after the other; its rank is the sum of theirs.

    Exact but for rounding: merging adds B A to each weight, and B1 A1 + B2 A2 is the product of the stacked matrices.
    Give a base in fp32: peft gives the new adapter the type of its base. The parts stay attached beside it.
    """
    from peft import PeftModel

    names = _parts(len(adapters))
    model = PeftModel.from_pretrained(base, str(adapters[0]), adapter_name=names[0])
    for name, adapter in zip(names[1:], adapters[1:], strict=True):
        model.load_adapter(str(adapter), name)
    for name in names:  # each layer has its scale by now, and peft would scale the new adapter by it once more
        model.peft_config[name].use_rslora = False
    model.add_weighted_adapter(names, [1.0] * len(names), _ONE, combination_type="cat")
    model.set_adapter(_ONE)
    return model


def reload_published(model: Any, published: Path, parts: int, max_error: float) -> float:
    """Put the adapter in the folder `published` into what `as_one_adapter` returned, in place of its own.

    Returns how far its change of the weights is from the sum of the `parts` adapters' changes, as a share of the
    smallest of these (Frobenius norms over all layers). Raises `FcAssetsError` when that is more than `max_error`.
    """
    import torch

    model.set_adapter(_parts(parts)[0])  # peft warns where the active one is deleted
    model.delete_adapter(_ONE)
    model.load_adapter(str(published), _ONE)
    model.set_adapter(_ONE)
    names = _parts(parts)
    off, sizes = 0.0, dict.fromkeys(names, 0.0)
    with torch.no_grad():
        for layer in _lora_layers(model):
            changes = {name: layer.get_delta_weight(name) for name in names if name in layer.lora_A}
            own = layer.get_delta_weight(_ONE) if _ONE in layer.lora_A else 0.0
            off += float((own - sum(changes.values())).square().sum())
            for name, change in changes.items():
                sizes[name] += float(change.square().sum())
    error: float = (off / min(sizes.values())) ** 0.5 if min(sizes.values()) else float("inf")
    if not error <= max_error:
        raise FcAssetsError(
            f"The published adapter is not the sum of the {parts} that were trained: it is off by {error:.3g} of the "
            f"smallest, sft.merge.max_error allows {max_error:.3g}; look for another version of peft"
        )
    return error


def _parts(number: int) -> list[str]:
    return [f"part{part}" for part in range(number)]


def _lora_layers(model: Any) -> Iterator[Any]:
    from peft.tuners.lora import LoraLayer

    return (module for module in model.modules() if isinstance(module, LoraLayer))
