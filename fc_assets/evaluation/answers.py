"""Questions for a model, its answers, and the log that keeps finished answers over an interruption.

Plain values and files. Getting answers is `inference`; judging one is `scoring`.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from fc_assets.calls.call import Tool
from fc_assets.calls.parse import parse_strict
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.json_files import json_text, writable

CUT = "length"
"""Finish reason of an answer that reached the limit of tokens, in OpenAI's word."""

TOO_LONG = "too_long"
"""Finish reason of a prompt that does not fit the model: the model failed, the server did not."""

FAILED = "failed"
"""Finish reason of a question without an answer, after all retries: the server or the network failed."""

_NO_CALL_YET = "<tool_call>"
"""Ends the text that stands for an answer of which nobody knows what it would have called: a block left open."""

ShowProgress = Callable[[str], None]
"""Is given one sentence at a time on how far the questions are."""


@dataclass(frozen=True, slots=True)
class Question:
    """One request: the messages up to the answer, and the tools offered (functions without wrapper).

    With `prompt` it is a plain completion of that text instead, which the server's chat template does not touch.
    """

    id: str
    messages: Sequence[Mapping[str, Any]] = ()
    tools: Sequence[Tool] = ()
    prompt: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one question.

    `text` is the model's raw text. `finish_reason` is the server's ("stop", `CUT`), or `TOO_LONG` or `FAILED`;
    `error` then says why there is no text, and is empty otherwise. `latency_s` is the successful request alone, in
    seconds, without waits and retries; answers generated together have that of their batch; None for one that was read
    from an artefact, which holds no times. Token counts are the server's own; None where it gave none.

    All text is such as a file can hold, wherever it came from: this is the one door through which answers come in.
    """

    id: str
    text: str
    finish_reason: str
    latency_s: float | None
    prompt_tokens: int | None
    completion_tokens: int | None
    error: str = ""

    def __post_init__(self) -> None:
        for name in ("text", "finish_reason", "error"):
            object.__setattr__(self, name, writable(getattr(self, name)))

    @property
    def failed(self) -> bool:
        """Whether there is no answer, so that it is unknown what the model would have said."""
        return self.finish_reason == FAILED


def judged_text(text: str, finish_reason: str) -> str:
    """The text by which an answer is judged: its own, but for those that are a miss whatever was expected.

    An answer that was cut before its first call might still have called, so it is never silence; nor is a prompt that
    did not fit the model.
    """
    if finish_reason == TOO_LONG:
        return _NO_CALL_YET
    return text + _NO_CALL_YET if finish_reason == CUT and parse_strict(text).silent else text


@dataclass(frozen=True, slots=True)
class RequestSettings:
    """How a model is asked. Decoding is greedy; the seed is sent and recorded.

    `decode` is "free", where the model writes what it likes, or "constrained", where the server forces calls that
    satisfy the tools' schemas. `first_wait_s` is the wait before the first retry; it doubles with each further one.
    """

    max_tokens: int
    concurrency: int
    timeout_s: float
    retries: int
    max_failed_share: float
    seed: int
    decode: Literal["free", "constrained"] = "free"
    first_wait_s: float = 0.5


def resume_identity(
    model_digest: str, questions: Iterable[Question], settings: RequestSettings, engine: Mapping[str, object]
) -> dict[str, object]:
    """All that makes two sets of answers interchangeable. Time-outs, retries and concurrency are no part of it."""
    digest = hashlib.sha256()
    for question in questions:
        digest.update(json.dumps(asdict(question), default=dict).encode())
    return {
        "model": model_digest,
        "questions": digest.hexdigest(),
        "decoding": [settings.max_tokens, settings.seed, settings.decode],
        "server": dict(engine),
    }


class AnswerLog:
    """Finished answers, one JSON line each, appended as they arrive. Opened by `answer_log`."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.finished = {answer.id: answer for answer in _read(file)}
        self._stream = file.open("a", encoding="utf-8")
        if _ends_within_a_line(file):
            self._stream.write("\n")

    def add(self, answer: Answer) -> None:
        """Keep one answer. A failed one is not kept: it is asked again next time."""
        if answer.failed:
            raise ValueError(f"{answer.id} has no answer to keep")
        self.finished[answer.id] = answer
        self._stream.write(json_text(asdict(answer)) + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Close the file; what was added stays."""
        self._stream.close()


@contextlib.contextmanager
def answer_log(folder: Path) -> Iterator[AnswerLog]:
    """The log in `folder`, locked: two steps must not ask the same questions at once.

    It stays when the block is left; the step that publishes the answers removes the folder.
    """
    lock = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FcAssetsError(
                f"Another run asks the same questions of the same model now (its log is {folder}): wait for its end"
            ) from None
        log = AnswerLog(folder / "answers.jsonl")
        try:
            yield log
        finally:
            log.close()
    finally:
        os.close(lock)


def _read(file: Path) -> Iterator[Answer]:
    if not file.is_file():
        return
    # Not splitlines(): an answer may hold U+2028 or U+0085, which are no ends of lines in JSON.
    for line in file.read_text(encoding="utf-8", errors="replace").split("\n"):
        # A process killed while it wrote leaves half a line: that row is asked again.
        with contextlib.suppress(ValueError, TypeError, RecursionError):
            yield Answer(**json.loads(line))


def _ends_within_a_line(file: Path) -> bool:
    with file.open("rb") as stream:
        stream.seek(0, os.SEEK_END)
        if stream.tell() == 0:
            return False
        stream.seek(-1, os.SEEK_END)
        return stream.read() != b"\n"
