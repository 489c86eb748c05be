"""When a value of another JSON type is the declared one in other words: "5" for 5, "true" for true.

Three readers of three kinds of data, whose rules stand side by side because they differ on purpose. None guesses: what
is not plainly the declared type stays as it is. Whether two values are equal is decided in `match`.

| declared   | text in an expected call (`coerced_argument`) | text as xLAM's default (`coerced_default`) |
| ---------- | --------------------------------------------- | ------------------------------------------ |
| `integer`  | up to 15 digits: an int                       | the same                                   |
| `number`   | an int without a point, a float with one      | always a float, at most 15 decimals        |
| `boolean`  | true or false in any case                     | the same                                   |
| `array`, `object` | JSON text                              | stays                                      |
| `string`   | (a number becomes its text)                   | stays                                      |

A model's numbers in text, of which only the lenient comparison takes notice, are read by `number_in_text`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

# At most 15 digits: so many survive the way through a float.
_INTEGER = re.compile(r"-?\d{1,15}")
_NUMBER = re.compile(r"-?\d{1,15}(\.\d+)?")
_MAX_DEFAULT_DECIMALS = 15


def coerced_argument(value: Any, schema: Mapping[str, Any]) -> Any:
    """The argument of an expected call in its declared type where only the spelling differs; else the value itself."""
    kind = schema.get("type")
    if kind == "string" and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        return value
    text = value.strip()
    if kind in ("array", "object") and text[:1] in ("[", "{"):
        try:
            return json.loads(text)
        except ValueError:
            return value
    found = _scalar(text, kind)
    if isinstance(found, float) and "." not in text:
        return int(text)
    return value if found is None else found


def coerced_default(value: object, schema: Mapping[str, Any]) -> object:
    """A default in its declared type: xLAM writes many numbers and booleans as text. What does not fit stays."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    found = _scalar(text, schema.get("type"))
    too_fine = isinstance(found, float) and len(text.partition(".")[2]) > _MAX_DEFAULT_DECIMALS
    return value if found is None or too_fine else found


def number_in_text(text: str) -> float | None:
    """The number that a text is for Python's `float`, exponents, blanks, nan and inf included; None if it is none."""
    try:
        return float(text)
    except ValueError:
        return None


def _scalar(text: str, kind: object) -> bool | int | float | None:
    """The boolean, int or float of the declared `kind` that the text spells out; None if it does not."""
    if kind == "boolean" and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if kind == "integer" and _INTEGER.fullmatch(text):
        return int(text)
    if kind == "number" and _NUMBER.fullmatch(text):
        return float(text)
    return None
