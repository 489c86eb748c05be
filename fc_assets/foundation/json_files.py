"""JSON files of the project's own making: written in one form, read as what they must be.

Text that came from a model, a server or a data set may hold lone surrogates (half of a character, which JSON can spell
as an escape in plain ASCII): no file in UTF-8 can hold them. `json_text` and `writable` are how such text is written.

What is in a file belongs to the room that writes it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fc_assets.errors import FcAssetsError

_SURROGATES = re.compile(r"[\ud800-\udbff][\udc00-\udfff]|[\ud800-\udfff]")

_ENCODER = json.JSONEncoder(ensure_ascii=False)  # `json.dumps` would make one for every text


def writable(text: str) -> str:
    r"""`text` in which each lone surrogate is spelt as JSON's escape of it, such as `\ud83d`: nothing is dropped.

    Within a JSON string that is the same value. Where an unpaired backslash stands before it, which no JSON allows, the
    escape would become a valid one: there it is U+FFFD instead, and the text stays as wrong as it was. Two halves that
    belong together are their character.
    """
    return text if text.isascii() else _SURROGATES.sub(_escape, text)


def is_writable(text: str) -> bool:
    """Whether UTF-8 can hold `text` as it is: no half of a character is in it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def json_text(value: object) -> str:
    """`value` as JSON on one line, in readable Unicode; lone surrogates are written as the escapes that they are."""
    return writable(_ENCODER.encode(value))


def _escape(found: re.Match[str]) -> str:
    if len(found.group()) == 2:
        return found.group().encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    text, first = found.string, found.start()
    while first and text[first - 1] == "\\":
        first -= 1
    return "\ufffd" if (found.start() - first) % 2 else f"\\u{ord(found.group()):04x}"


def write_json(file: Path, value: object) -> None:
    """Write `value` indented, with a newline at the end. What is not JSON is written as text."""
    file.write_text(writable(json.dumps(value, indent=1, ensure_ascii=False, default=str)) + "\n", encoding="utf-8")


def read_json(file: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises `FcAssetsError` when it is missing, not JSON, or no object."""
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FcAssetsError(f"{file} cannot be read as JSON ({error})") from error
    if not isinstance(value, dict):
        raise FcAssetsError(f"{file} holds a {type(value).__name__} where a JSON object is expected")
    return value


def finite(value: Any) -> Any:
    """`value` with NaN and infinities turned into None, in objects and lists too: they are not JSON.

    A plain tuple becomes a list, as in JSON; a named one (Dagster's metadata values are some) stays as it is.
    """
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
