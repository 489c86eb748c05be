"""Train-serve parity: the token ids that the engine feeds the model for a conversation are those that training saw.

A template that differs between training and serving costs accuracy without any error. Rendering itself is
`calls.prompts`, encoding for training `training.sequences`; here the two ends are only compared. Turns with text that
looks like a mark of the template are counted apart: a server makes tokens of it, training does not.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fc_assets.calls.conversations import Turn
from fc_assets.errors import FcAssetsError
from fc_assets.evaluation.answers import Question
from fc_assets.evaluation.inference.engines import Engine, NoTokenIdsError, TokenIds
from fc_assets.evaluation.inference.predictions import questions_of
from fc_assets.evaluation.jobs import ParityEncodingJob
from fc_assets.foundation.child_processes import processes
from fc_assets.foundation.child_processes.jobs import write_job

ENCODING_TIMEOUT_S = 600.0
_SHOWN = 3
_AROUND = 8  # tokens shown on each side of a difference


@dataclass(frozen=True, slots=True)
class PromptDifference:
    """One turn whose prompts differ: the first token that does, and the text around it on both sides."""

    id: str
    position: int
    served: str
    trained: str


@dataclass(frozen=True, slots=True)
class Parity:
    """How many turns were compared, how many agreed, and the first few that did not.

    `unmeasured` says why nothing was compared; it is empty otherwise. `control_rows` and `control_equal` are the same
    counts for turns with `calls.control_text`, which the others leave out.
    """

    rows: int
    equal: int
    differences: Sequence[PromptDifference] = ()
    unmeasured: str = ""
    control_rows: int = 0
    control_equal: int = 0


@dataclass(frozen=True, slots=True)
class ComparedPrompts:
    """The turns whose prompts are compared: those of ordinary text, and those with `calls.control_text`."""

    ordinary: Sequence[Turn]
    with_control_text: Sequence[Turn]

    @property
    def turns(self) -> Sequence[Turn]:
        """All of them."""
        return (*self.ordinary, *self.with_control_text)


def compared_prompts(turns: Sequence[Turn], rows: int) -> ComparedPrompts:
    """At most `rows` turns of each kind, spread evenly."""
    ordinary = [turn for turn in turns if not turn.has_control_text]
    return ComparedPrompts(spread(ordinary, rows), spread([turn for turn in turns if turn.has_control_text], rows))


def spread(turns: Sequence[Turn], rows: int) -> Sequence[Turn]:
    """At most `rows` turns, spread evenly over all."""
    return turns[:: max(1, len(turns) // rows)][:rows]


@contextlib.contextmanager
def training_ids(checkpoint: Path, split: Path, turns: Sequence[Turn], log: Path) -> Iterator[Callable[[], TokenIds]]:
    """Encode the turns as training does while the block runs; call what it yields for the ids.

    They are the first of the training sequence: the prompt, and the empty think block that opens the completion. The
    call raises FcAssetsError when the encoding failed.
    """
    with processes.temporary_folder("parity") as folder:
        job = ParityEncodingJob(model=checkpoint, split=split, ids=tuple(turn.id for turn in turns))
        files = write_job(job, folder)
        with processes.running("parity encoder", files.argv, log=log) as child:

            def wait() -> TokenIds:
                if child.wait(ENCODING_TIMEOUT_S) != 0:
                    raise FcAssetsError(
                        f"Encoding prompts as in training failed; its log {log} ends:\n{child.log_tail()}"
                    )
                return files.result().ids

            yield wait


def measure(engine: Engine, prompts: ComparedPrompts, trained: Callable[[], TokenIds]) -> Parity:
    """`compare` for the turns of ordinary text, with the counts of the others beside it."""
    parity = compare(engine, questions_of(prompts.ordinary), trained)
    if not prompts.with_control_text or parity.unmeasured:
        return parity
    others = compare(engine, questions_of(prompts.with_control_text), trained)
    return replace(parity, control_rows=others.rows, control_equal=others.equal)


def compare(engine: Engine, questions: Sequence[Question], trained: Callable[[], TokenIds]) -> Parity:
    """Compare what the engine feeds the model for each question, thinking off, with the ids of training.

    An engine that cannot tell gives an unmeasured result.
    """
    try:
        served = engine.prompt_ids(questions)
    except NoTokenIdsError as error:
        return Parity(0, 0, unmeasured=str(error))
    expected = trained()
    different = [row for row, ids in served.items() if list(ids) != list(expected[row])]
    shown = tuple(_describe(engine, row, served[row], expected[row]) for row in different[:_SHOWN])
    return Parity(len(questions), len(questions) - len(different), shown)


def _describe(engine: Engine, row: str, served: Sequence[int], trained: Sequence[int]) -> PromptDifference:
    """Where the two first differ, with the text around it."""
    pairs = zip(served, trained, strict=False)
    at = next((index for index, (left, right) in enumerate(pairs) if left != right), min(len(served), len(trained)))
    window = slice(max(0, at - _AROUND), at + _AROUND)
    return PromptDifference(row, at, engine.text_of(served[window]), engine.text_of(trained[window]))
