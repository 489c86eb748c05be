"""Training that cannot go on stops with a sentence: when it diverges, and when memory runs out.

The sentence names the step, the rows or the numbers, and settings to change with values. Which numbers a run is gated
on does not belong here.
"""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psutil
import torch
from pydantic import BaseModel

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.child_processes.memory import peak_rss_mb

_ROWS_SHOWN = 8
_GIB = 1024**3
_SAMPLED_FROM_NAN = "probability tensor contains"
"""How torch refuses to sample from weights that are not finite."""
_NO_CPU_MEMORY = "DefaultCPUAllocator"
"""What torch's RuntimeError names when the machine's own memory is out."""


class DivergedError(FcAssetsError):
    """Training made numbers that are not finite; what it says is where, not yet what to change."""


@dataclass(frozen=True)
class Watch:
    """What a watched trainer needs for its sentences.

    `settings` are the profile's section called `section`; `name_rows` gives the ids of the rows in what the trainer
    hands to `training_step`.
    """

    section: str
    settings: BaseModel
    name_rows: Callable[[Any], Sequence[str]]


def watched(trainer_class: Any, watch: Watch) -> Any:
    """A subclass of a transformers trainer that stops before a step whose loss or gradient is not finite is applied.

    Without it such a loss is logged as 0, or as NaN until the last step, and the weights are lost.
    """

    class WatchedTrainer(trainer_class):  # type: ignore[misc]
        """The given class; `_of_this_step` is what `training_step` was handed since the optimizer's last step."""

        _of_this_step: list[Any]

        def train(self, *args: Any, **kwargs: Any) -> Any:
            self._of_this_step = []
            with explained(watch.section, watch.settings):
                return super().train(*args, **kwargs)

        def training_step(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
            # A copy: what the trainer computes with may take entries out.
            self._of_this_step.append(copy.copy(inputs))
            try:
                loss: torch.Tensor = super().training_step(model, inputs, *args, **kwargs)
            except RuntimeError as error:
                if _SAMPLED_FROM_NAN in str(error):
                    self._stop("a probability of the model", math.nan)
                raise
            if not bool(torch.isfinite(loss)):
                self._stop("the loss", float(loss))
            if self.accelerator.sync_gradients:  # this was the step's last pass
                norm = float(gradient_norm(model))
                if not math.isfinite(norm):
                    self._stop("the norm of the gradient", norm)
                self._of_this_step.clear()
            return loss

        def _stop(self, what: str, value: float) -> None:
            step = self.state.global_step + 1
            rows = list(dict.fromkeys(row for inputs in self._of_this_step for row in watch.name_rows(inputs)))
            where = f", on the rows {_shown(rows)}" if rows else ""
            raise DivergedError(f"At step {step} {what} is {value}{where}")

    return WatchedTrainer


def gradient_norm(model: Any) -> torch.Tensor:
    """The norm of all gradients of a model together, before any clipping; infinite or NaN if one of them is."""
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    return torch.nn.utils.get_total_norm(gradients)


def _shown(rows: Sequence[str]) -> str:
    more = len(rows) - _ROWS_SHOWN
    return ", ".join(rows[:_ROWS_SHOWN]) + (f" and {more} more" if more > 0 else "")


@contextlib.contextmanager
def explained(section: str, settings: BaseModel) -> Iterator[None]:
    """Training that diverges or runs out of memory in this block is an `FcAssetsError` that says what to change."""
    try:
        yield
    except DivergedError as error:
        raise FcAssetsError(
            f"{error}: training has diverged; the checkpoints before it stay. Change {_calmer(section, settings)}; "
            "if it is always the same rows, look at them"
        ) from error
    except torch.OutOfMemoryError as error:
        free, total = torch.cuda.mem_get_info() if torch.cuda.is_available() else (0, 0)
        peak = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
        raise FcAssetsError(
            f"The GPU's memory is out: of {total / _GIB:.1f} GiB, training took {peak / _GIB:.1f} GiB at its peak, and "
            f"{free / _GIB:.1f} GiB are free now ({_first_sentence(error)}). {_smaller(section, settings)}"
        ) from error
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and _NO_CPU_MEMORY not in str(error):
            raise
        memory = psutil.virtual_memory()
        raise FcAssetsError(
            f"The machine's memory is out: of {memory.total / _GIB:.1f} GiB, training took "
            f"{peak_rss_mb() * 1e6 / _GIB:.1f} GiB at its peak, and {memory.available / _GIB:.1f} GiB are free now. "
            f"{_smaller(section, settings)}"
        ) from error


def _first_sentence(error: BaseException) -> str:
    return str(error).split(". ")[0].removesuffix(".")


def _calmer(section: str, settings: BaseModel) -> str:
    values = settings.model_dump()
    rate = values["learning_rate"]
    advice = f"{section}.learning_rate to {rate / 10:.2g} (it is {rate:.2g})"
    return advice + (f" or {section}.bf16 to false" if values["bf16"] else "")


def _smaller(section: str, settings: BaseModel) -> str:
    """Three settings that make training smaller, with values: first those that change no result."""
    values = settings.model_dump()
    advice = []
    if "micro_batch_tokens" in values:
        advice.append(f"{section}.micro_batch_tokens to {values['micro_batch_tokens'] // 2}")
    if not values["gradient_checkpointing"]:
        advice.append(f"{section}.gradient_checkpointing to true, which learns the same and is slower")
    advice += [
        f"{section}.{name} to {values[name] // 2}" for name in ("max_length", "max_completion") if name in values
    ]
    advice.append(f"{section}.lora.rank to {max(1, values['lora']['rank'] // 2)}")
    if values.get("vllm_colocate"):
        advice.append(f"{section}.vllm_memory_share to {values['vllm_memory_share'] - 0.05:.2f}")
    return f"Change {'; or '.join(advice[:3])}; training then begins anew with those settings"
