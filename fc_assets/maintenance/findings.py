"""What an examination of this machine finds, in one form: fine, worth knowing, or in the way.

What is examined is `doctor`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "note", "fault"]


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, and what was found, as a sentence.

    A `note` prevents nothing that the profile needs. A `fault` does, and its sentence says what, and what to do.
    """

    subject: str
    state: State
    said: str


def ok(subject: str, said: str) -> Finding:
    """Nothing is in the way."""
    return Finding(subject, "ok", said)


def note(subject: str, said: str) -> Finding:
    """Something is missing that this profile can do without."""
    return Finding(subject, "note", said)


def fault(subject: str, said: str) -> Finding:
    """Something prevents a step of this profile."""
    return Finding(subject, "fault", said)
