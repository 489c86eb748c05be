"""What happened between a question and its answer, with the verdict on every call.

How it comes about is `loop`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from fc_assets.gateway.verdicts import CallVerdict


class Ended(StrEnum):
    """Why a conversation is over."""

    ANSWERED = "answered"
    MALFORMED = "the model wrote a call that cannot be read"
    TURNS = "no answer within the turns allowed"
    TIME = "no answer within the time allowed"
    FAILED = "the model or a server failed"


@dataclass(frozen=True, slots=True)
class ExecutedCall:
    """One call: what the schema says of it, what came back (cut at the limit), and the seconds that it took.

    `server` is empty, and `failed` true, for a call that was not executed.
    """

    name: str
    arguments: dict[str, Any]
    verdict: CallVerdict
    server: str
    result: str
    failed: bool
    seconds: float


@dataclass
class Transcript:
    """A question, what the model wrote, every call, and how it ended. `error` is the sentence of a failure."""

    question: str
    left_out: list[tuple[str, str, str]]
    texts: list[str] = field(default_factory=list)
    calls: list[ExecutedCall] = field(default_factory=list)
    ended: Ended = Ended.TURNS
    answer: str = ""
    error: str = ""

    def record(self) -> dict[str, Any]:
        """The transcript as JSON data."""
        return asdict(self)

    def lines(self) -> list[str]:
        """The transcript for a terminal."""
        found = [f"left out: {tool} of {server}: {reason}" for server, tool, reason in self.left_out]
        for call in self.calls:
            found.append(f"call {call.name} {call.arguments}: {call.verdict}")
            found.append(f"  {'failed' if call.failed else 'returned'}: {call.result[:200]!r} ({call.seconds:.1f} s)")
        found.append(f"{self.ended}: {self.error}" if self.error else str(self.ended))
        return [*found, self.answer] if self.answer else found
