"""trl's SFTTrainer with two differences: passes of bounded size, and answers judged whenever it validates.

The data loader hands over all rows of an optimizer step at once; the step splits them (`micro_batches`), trims the
padding of each part, and adds up the gradients, each part's loss being divided by the learnt tokens of the *whole*
step. So the gradient, the logged loss and the token accuracy are those of one big batch. Every process makes equally
many passes, because trl gathers its figures over the processes in each.

The loss is trl's `nll`, whose fused head makes no tensor of tokens x vocabulary: it works in tiles, and on a GPU only
on the learnt positions. Packing and padding-free batches are left out: they need an attention kernel for sequences of
varying length, and neither stack installs one (flash-attn has to be compiled; torch's own is not wired into
transformers). Without it, SDPA would compute the masked blocks as well. Rows sorted within a step leave little padding.

What the settings mean is in `profiles.training`; how answers are judged is in `probe`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from trl import SFTTrainer

from fc_assets.training.sft.micro_batches import micro_batches

Batch = dict[str, torch.Tensor]
"""`input_ids`, `attention_mask` and `labels` (-100: not learnt), all (rows, tokens) and padded on the right."""

SELECTION = "selection"
"""The figure by which the best checkpoint is chosen, in the metrics of a validation as `eval_selection`."""

_PER_TOKEN = ("entropy", "mean_token_accuracy")
"""What trl notes for each pass as a mean over its learnt tokens."""


def selection_score(exact: int, loss: float) -> float:
    """Orders checkpoints by exact matches, and by loss (>= 0) among those with equally many: higher is better."""
    return exact + 1 / (1 + loss)


class TokenBudgetTrainer(SFTTrainer):  # type: ignore[misc]  # trl is not read by the type checker
    """An SFTTrainer whose passes have at most `micro_batch_tokens` padded tokens, but at least one row.

    `per_device_train_batch_size` is a step's rows, without gradient accumulation. `judge_answers` takes the model and
    returns the number of answers that match exactly and the figures to log; it is asked at each validation.
    """

    def __init__(
        self,
        *args: Any,
        micro_batch_tokens: int,
        judge_answers: Callable[[Any], tuple[int, Mapping[str, float]]] | None = None,
        **kwargs: Any,
    ) -> None:
        self.micro_batch_tokens = micro_batch_tokens
        self.judge_answers = judge_answers
        super().__init__(*args, **kwargs)

    def training_step(self, model: Any, inputs: Batch, num_items_in_batch: Any = None) -> torch.Tensor:
        """The step's loss, after a backward pass for each of its parts; gradients are synchronised in the last."""
        parts = self._parts(inputs)
        losses = []
        with self._figures_of_one_batch("train", parts):
            for number, part in enumerate(parts, 1):
                last = number == len(parts)
                with contextlib.nullcontext() if last else self.accelerator.no_sync(model):
                    losses.append(super().training_step(model, part, num_items_in_batch))
        return torch.stack(losses).sum()

    def prediction_step(
        self, model: Any, inputs: Batch, prediction_loss_only: bool, ignore_keys: list[str] | None = None
    ) -> tuple[torch.Tensor, None, None]:
        """The validation loss of a batch: the mean over its learnt tokens, computed in parts like a step's."""
        parts = self._parts(self._prepare_inputs(inputs))
        learnt = self.accelerator.reduce(sum(_learnt(part) for part in parts), "sum")
        with torch.no_grad(), self.compute_loss_context_manager(), self._figures_of_one_batch("eval", parts):
            losses = [self.compute_loss(model, part, num_items_in_batch=learnt) for part in parts]
        return torch.stack(losses).sum().detach(), None, None

    def evaluation_loop(self, *args: Any, **kwargs: Any) -> Any:
        """trl's figures of a validation, with those of the answers and the score for choosing a checkpoint."""
        output = super().evaluation_loop(*args, **kwargs)
        if self.judge_answers is not None:
            exact, figures = self.judge_answers(self.model)
            loss = output.metrics["eval_loss"]
            output.metrics.update({f"eval_{name}": value for name, value in figures.items()})
            output.metrics[f"eval_{SELECTION}"] = selection_score(exact, loss)
        return output

    def _parts(self, inputs: Batch) -> list[Batch]:
        lengths = inputs["attention_mask"].sum(dim=1).tolist()
        wanted = len(micro_batches(lengths, self.micro_batch_tokens))
        most = int(self.accelerator.gather(torch.tensor([wanted], device=self.accelerator.device)).max())
        groups = micro_batches(lengths, self.micro_batch_tokens, at_least=most)
        return [
            {name: tensor[rows, : max(lengths[row] for row in rows)] for name, tensor in inputs.items()}
            for rows in groups
        ]

    @contextlib.contextmanager
    def _figures_of_one_batch(self, mode: str, parts: list[Batch]) -> Iterator[None]:
        """What trl notes for each part becomes one value, each part weighted by its learnt tokens."""
        noted = self._metrics[mode]
        before = {name: len(noted[name]) for name in _PER_TOKEN}
        yield
        learnt = self.accelerator.reduce(torch.stack([_learnt(part) for part in parts]), "sum").tolist()
        for name, begin in before.items():
            of_parts = noted[name][begin:]
            mean = sum(value * count for value, count in zip(of_parts, learnt, strict=True)) / max(1, sum(learnt))
            noted[name][begin:] = [mean]


def _learnt(part: Batch) -> torch.Tensor:
    """The learnt tokens of a part: labels that a position before them predicts."""
    return part["labels"][:, 1:].ne(-100).sum()
