"""The bar of a gate: which setting it is, what value a judgement used, and on which side of it a value is lenient.

A check names its bar in its definition and records the value that it compared with in each evaluation, both as plain
metadata. A promotion reads both, so that a bar lowered for one run cannot pass for the location's. What is compared
with a bar, and what follows, belongs to the rooms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

from fc_assets.errors import FcAssetsError
from fc_assets.profiles import Profile

Value = TypeVar("Value", float, tuple[str, ...])
"""What a bar may be: a number, or words that must all be met."""

VALUE = "threshold"
SETTING = "threshold_setting"
KIND = "threshold_kind"
_WORDS = ", "


class Kind(StrEnum):
    """How what is measured must stand to the bar."""

    AT_LEAST = "at_least"
    AT_MOST = "at_most"
    EXACTLY = "exactly"
    ALL_OF = "all_of"


@dataclass(frozen=True)
class Threshold:
    """A bar with its value: the one that an evaluation used, or the one that a location asks for."""

    setting: str
    kind: Kind
    value: float | str

    def __str__(self) -> str:
        return f"{self.kind.replace('_', ' ')} {self.shown}"

    @property
    def shown(self) -> str:
        """The value as text."""
        return self.value if isinstance(self.value, str) else f"{self.value:.10g}"

    def is_more_lenient_than(self, asked: Threshold) -> bool:
        """Whether something can meet this bar and not the one that is `asked`."""
        if isinstance(self.value, str) or isinstance(asked.value, str):
            return not _words(asked.value) <= _words(self.value)
        if self.kind is Kind.AT_LEAST:
            return self.value < asked.value
        return self.value > asked.value if self.kind is Kind.AT_MOST else self.value != asked.value


@dataclass(frozen=True)
class Bar(Generic[Value]):
    """A setting that a gate compares with, by its dotted name, and how what is measured must stand to it.

    A strict comparison is of the same kind as the other: what counts is the side on which the bar is lenient.
    """

    setting: str
    kind: Kind

    def value(self, profile: Profile) -> Value:
        """The setting's value in `profile`."""
        found: Any = profile
        for name in self.setting.split("."):
            found = getattr(found, name)
        value: Value = found
        return value

    def at(self, value: Value) -> Threshold:
        """The bar at this value."""
        return Threshold(self.setting, self.kind, _WORDS.join(value) if isinstance(value, tuple) else value)

    def record(self, value: Value) -> dict[str, float | str]:
        """What an evaluation records beside its numbers: the value that it compared with."""
        return {VALUE: self.at(value).value, **self.definition}

    @property
    def definition(self) -> dict[str, str]:
        """What a check's definition says of its bar."""
        return {SETTING: self.setting, KIND: self.kind.value}


def defined_bar(metadata: Mapping[str, Any]) -> Bar[Any] | None:
    """The bar that a check's definition names; None where it names none."""
    if SETTING not in metadata and KIND not in metadata:
        return None
    try:
        return Bar(str(metadata[SETTING]), Kind(metadata[KIND]))
    except (KeyError, ValueError) as error:
        raise FcAssetsError(f"A check's definition names its bar wrongly ({error}): give it `Bar.definition`") from None


def recorded_threshold(values: Mapping[str, Any]) -> Threshold | None:
    """The bar that an evaluation recorded by `Bar.record`; None where it recorded none that can be read."""
    value, setting, kind = (values.get(name) for name in (VALUE, SETTING, KIND))
    if isinstance(value, int | float | str) and isinstance(setting, str) and kind in list(Kind):
        return Threshold(setting, Kind(kind), value)
    return None


def _words(value: float | str) -> set[str]:
    return {word for word in str(value).split(_WORDS) if word}
