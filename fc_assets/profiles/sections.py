"""What every section of a profile is, and the ranges and forms that their values share. No setting belongs here."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_LARGEST = 10**9
"""No setting that counts something has a use for more: it is a slip of the finger, and would run for ever."""
_LARGEST_BATCH = 65_536
_CRON_FIELDS = 5
_CRON_FIELD = re.compile(r"[\d*,/a-zA-Z#?-]+")


def _cron(text: str) -> str:
    fields = text.split()
    if len(fields) != _CRON_FIELDS or not all(_CRON_FIELD.fullmatch(each) for each in fields):
        raise ValueError(
            f"{text!r} is no cron expression: write minute, hour, day, month and weekday, as in '0 2 * * *'"
        )
    return text


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise ValueError(f"{name!r} is no time zone of this machine: write one such as UTC or Europe/Berlin") from None
    return name


def _max_steps(steps: int) -> int:
    if steps == 0 or steps < -1:
        raise ValueError(f"{steps} steps would train nothing: write -1 for no limit, or 1 and more")
    return steps


Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0, le=_LARGEST)]
Positive = Annotated[int, Field(ge=1, le=_LARGEST)]
Batch = Annotated[int, Field(ge=1, le=_LARGEST_BATCH)]
MaxSteps = Annotated[int, Field(le=_LARGEST), AfterValidator(_max_steps)]
Cron = Annotated[str, AfterValidator(_cron)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]
Scheduler = Literal[
    "constant", "constant_with_warmup", "cosine", "cosine_with_restarts", "inverse_sqrt", "linear", "polynomial"
]
"""Schedules of the learning rate by transformers' names: those that need no settings of their own."""


class Section(BaseModel):
    """Base of all sections: immutable, and strict about unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)
