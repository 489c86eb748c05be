"""One raw row, however its source spells it, as one `Example`; or a reason why not.

What cannot be read is rejected, never repaired by guesswork: the quarantine keeps it with its reason. Where rows come
from is in `sources`; tools are read by `tools`; which examples are kept is decided in `curation`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from fc_assets.calls.control_text import holds_control_text
from fc_assets.calls.nesting import MAX_DEPTH, nested_too_deeply
from fc_assets.calls.parse import MAX_CALLS
from fc_assets.data.rows.rejection import RowRejectedError
from fc_assets.data.rows.tools import FLAG_CONTROL_TEXT, OfferedTools, ToolReader, join_tools
from fc_assets.foundation.json_files import is_writable

FLAG_REPEATED_KEY = "repeated_key"
"""An object in the row's JSON has a key twice. The last value counts, as all JSON readers have it."""
MAX_QUERY_CHARS = 200_000
MAX_ANSWER_CHARS = 100_000
"""Of a row's expected calls as JSON: no parser of answers reads more than twice as much."""

_COLUMNS = ("query", "tools", "answers")
# Digits become one digit and brackets one bracket: so a run of 19 digits, where integers may exceed 64 bits, and more
# brackets than levels are allowed are searches for plain bytes, several times as fast as a regular expression.
_OUTLINE = bytes.maketrans(b"123456789[", b"000000000{")
_LONG_INTEGER = b"0" * 19


class Example(NamedTuple):
    """One row of the normalised table. `tools`, `calls` and `turns` are JSON texts.

    `calls` is "[]" when no call is expected. `turns` is the whole conversation as a list of {"from", "value"} where the
    source has more than one question and its answer, else "".
    """

    id: str
    query: str
    tools: str
    calls: str
    source: str
    licence: str
    flags: tuple[str, ...] = ()
    turns: str = ""


def normalise_row(
    row: object, reader: ToolReader, *, fallback_id: str = "", source: str = "", licence: str = ""
) -> Example:
    """The example in one row of xLAM's form: {"id", "query", "answers", "tools"}, the last two JSON texts or values.

    A row without an id gets `fallback_id`. Raises `RowRejectedError` with the reason.
    """
    if not isinstance(row, dict):
        raise RowRejectedError("row is not an object", f"found {type(row).__name__}")
    query, tools, answers = row.get("query"), row.get("tools"), row.get("answers")
    if query is None or tools is None or answers is None:
        raise RowRejectedError(f"no {next(column for column in _COLUMNS if row.get(column) is None)}")
    if not isinstance(query, str) or not query or query.isspace():
        raise RowRejectedError("query is empty or not text", f"{query!r:.80}")
    if len(query) > MAX_QUERY_CHARS:
        raise RowRejectedError("query is too long", f"{len(query)} characters, at most {MAX_QUERY_CHARS}")
    offer = _offer(tools, reader)
    calls = as_calls(_loaded(answers, "answers"), offer.names)
    row_id = as_id(row.get("id"), fallback_id)
    flags = offer.flags
    if FLAG_REPEATED_KEY not in flags and isinstance(answers, str) and _repeats_a_key(answers):
        flags = (*flags, FLAG_REPEATED_KEY)
    if FLAG_CONTROL_TEXT not in flags and holds_control_text(query):
        flags = (*flags, FLAG_CONTROL_TEXT)
    if not query.isascii() and not is_writable(query):
        raise RowRejectedError("query is not Unicode", "it holds a lone surrogate")
    return Example(row_id, query, offer.json, calls, source, licence, flags)


def as_id(value: object, fallback: str) -> str:
    """A row's id as text; a whole number that a table made a float (7.0) is that number. Raises `RowRejectedError`."""
    if value is None or value != value:  # NaN is how pandas writes an id that is not there
        return fallback
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, str | int | float):
        return str(value)
    raise RowRejectedError("id is neither text nor a number", f"{value!r:.80}")


def _offer(value: object, reader: ToolReader) -> OfferedTools:
    """What a row offers; the very same text is read once, since rows offer the same tools again and again."""
    if not isinstance(value, str):
        return join_tools(reader.read(_loaded(value, "tools")))
    offer = reader.known_offers.get(value)
    if offer is None:
        offer = join_tools(reader.read(_loaded(value, "tools")))
        if _repeats_a_key(value):
            offer = offer._replace(flags=(*offer.flags, FLAG_REPEATED_KEY))
        reader.remember(value, offer)
    elif offer.unknown_types:
        reader.unknown_types.update(offer.unknown_types)
    return offer


def as_calls(value: object, offered: Sequence[str]) -> str:
    """The JSON list of the calls in `value`, a list or one call. Raises `RowRejectedError`."""
    calls = value if isinstance(value, list) else [value]
    if len(calls) > MAX_CALLS:
        raise RowRejectedError("too many calls", f"{len(calls)}, at most {MAX_CALLS}")
    kept = []
    for call in calls:
        if not isinstance(call, dict) or not isinstance(name := call.get("name"), str):
            raise RowRejectedError("call without a name", f"{call!r:.120}")
        arguments = call.get("arguments")
        if isinstance(arguments, str):
            arguments = _loaded(arguments, "arguments")
        if not isinstance(arguments, dict):
            raise RowRejectedError("arguments are not an object", f"call of {name!r} has {arguments!r:.80}")
        if name not in offered:
            raise RowRejectedError("call of a tool that is not offered", f"{name!r:.80}")
        kept.append({"name": name, "arguments": arguments})
    text = _dumped(kept)
    if len(text) > MAX_ANSWER_CHARS:
        raise RowRejectedError("answers are too long", f"{len(text)} characters, at most {MAX_ANSWER_CHARS}")
    if holds_control_text(text):
        raise RowRejectedError("control text in an expected answer", f"{text!r:.120}")
    return text


def _loaded(value: object, column: str) -> Any:
    """A column's value, parsed if it is JSON text; bounded in depth."""
    if not isinstance(value, str):
        if nested_too_deeply(value):
            raise RowRejectedError(f"{column} are nested too deeply", f"at most {MAX_DEPTH} levels")
        return value
    try:
        parsed = orjson.loads(value)
        outline = value.encode().translate(_OUTLINE)
    except (orjson.JSONDecodeError, UnicodeEncodeError) as error:
        if not value.strip():
            raise RowRejectedError(f"{column} are empty") from None
        raise RowRejectedError(f"{column} are not JSON", f"{error}; found {value[:80]!r}") from None
    # Depth is counted only where it could be exceeded: most texts hold fewer brackets than levels are allowed.
    if outline.count(b"{") > MAX_DEPTH and nested_too_deeply(parsed):
        raise RowRejectedError(f"{column} are nested too deeply", f"at most {MAX_DEPTH} levels")
    if _LONG_INTEGER in outline and column != "tools":
        return json.loads(value)  # orjson rounds integers beyond 64 bits
    return parsed


def _repeats_a_key(text: str) -> bool:
    """Whether an object in this JSON, which can be read, has a key twice."""
    repeated = False

    def look(pairs: list[tuple[str, Any]]) -> None:
        nonlocal repeated
        repeated = repeated or len({key for key, _ in pairs}) < len(pairs)

    json.loads(text, object_pairs_hook=look)
    return repeated


def _dumped(value: object) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        pass  # integers beyond 64 bits, or keys that are not text
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        text.encode()
    except (TypeError, ValueError) as error:
        raise RowRejectedError("answers are not JSON", str(error)) from None
    return text
