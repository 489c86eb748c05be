"""Train-serve parity: the token ids that the engine feeds the model for a conversation are those that training saw.

A template that differs between training and serving costs accuracy without any error. Rendering itself is
`calls.prompts`, encoding for training `training.examples`; here the two ends are only compared.

Run as `python -m fc_assets.evaluation.inference.parity JOB.json` this module encodes as training does, in a process of its own:
importing transformers takes seconds, and a server that starts meanwhile hides them. Job: model (folder), split
(ShareGPT file), ids (of the turns), result (path).
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fc_assets.calls.conversations import Turn, read_turns
from fc_assets.calls.prompts import THINK_OFF
from fc_assets.errors import FcAssetsError
from fc_assets.evaluation.inference.answers import Question
from fc_assets.evaluation.inference.engines import Engine, NoTokenIdsError, TokenIds
from fc_assets.foundation import processes
from fc_assets.foundation.jobs import Job, Log, run_child
from fc_assets.training.sequences import encode

PARITY_FILE = "parity.json"
ENCODING_TIMEOUT_S = 600.0
_SHOWN = 3
_AROUND = 8  # tokens shown on each side of a difference


@dataclass(frozen=True, slots=True)
class Parity:
    """How many turns were compared, how many agreed, and the first few that did not.

    `unmeasured` says why nothing was compared; it is empty otherwise.
    """

    rows: int
    equal: int
    differences: tuple[dict[str, Any], ...] = ()
    unmeasured: str = ""


def spread(turns: Sequence[Turn], rows: int) -> Sequence[Turn]:
    """At most `rows` turns, spread evenly over all."""
    return turns[:: max(1, len(turns) // rows)][:rows]


@contextlib.contextmanager
def training_ids(checkpoint: Path, split: Path, turns: Sequence[Turn], log: Path) -> Iterator[Callable[[], TokenIds]]:
    """Encode the turns as training does while the block runs; call what it yields for the ids.

    They are the first of the training sequence: the prompt, and the empty think block that opens the completion. The
    call raises FcAssetsError when the encoding failed.
    """
    with tempfile.TemporaryDirectory(prefix="fc-assets-parity-") as folder:
        job, result = Path(folder) / "job.json", Path(folder) / "ids.json"
        ids = [turn.id for turn in turns]
        values = {"model": str(checkpoint), "split": str(split), "ids": ids, "result": str(result)}
        job.write_text(json.dumps(values), encoding="utf-8")
        argv = [sys.executable, "-m", "fc_assets.evaluation.inference.parity", str(job)]
        with processes.running("parity encoder", argv, log=log) as child:

            def wait() -> TokenIds:
                if child.wait(ENCODING_TIMEOUT_S) != 0:
                    raise FcAssetsError(
                        f"Encoding prompts as in training failed; its log {log} ends:\n{child.log_tail()}"
                    )
                return json.loads(result.read_text(encoding="utf-8"))

            yield wait


def compare(engine: Engine, questions: Sequence[Question], trained: Callable[[], TokenIds]) -> Parity:
    """Hold what the engine feeds the model for each question, thinking off, against the ids of training.

    An engine that cannot tell gives an unmeasured result.
    """
    try:
        served = engine.prompt_ids(questions)
    except NoTokenIdsError as error:
        return Parity(0, 0, unmeasured=str(error))
    expected = trained()
    different = [row for row, ids in served.items() if ids != expected[row]]
    shown = tuple(_describe(engine, row, served[row], expected[row]) for row in different[:_SHOWN])
    return Parity(len(questions), len(questions) - len(different), shown)


def _describe(engine: Engine, row: str, served: Sequence[int], trained: Sequence[int]) -> dict[str, Any]:
    """Where the two first differ, with the text around it."""
    pairs = zip(served, trained, strict=False)
    at = next((index for index, (left, right) in enumerate(pairs) if left != right), min(len(served), len(trained)))
    window = slice(max(0, at - _AROUND), at + _AROUND)
    return {
        "id": row,
        "position": at,
        "served": engine.text_of(served[window]),
        "trained": engine.text_of(trained[window]),
    }


def _encode(job: Job, log: Log) -> dict[str, list[int]]:
    """The child's work: the first ids of each turn's training sequence."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    think_off = len(tokenizer(THINK_OFF, add_special_tokens=False).input_ids)
    wanted = set(job["ids"])
    ids = {}
    for turn in read_turns(Path(job["split"])):
        if turn.id in wanted:
            example = encode(tokenizer, turn)
            ids[turn.id] = example.input_ids[: example.completion_mask.count(0) + think_off]
    log.info(f"{len(ids)} prompts encoded as in training")
    return ids


if __name__ == "__main__":
    run_child(_encode)
