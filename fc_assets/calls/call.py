"""What a call is, and how expected calls are read from and written to JSON.

Trusted data only: the functions here read the project's own tables and raise on a broken one. A model's text is read by
`parse`, which never raises; lists of tools are read by `tools.forms`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.json_files import json_text

Tool = Mapping[str, Any]
"""OpenAI's function form without wrapper: {"name": str, "description": str, "parameters": JSON Schema object}."""


@dataclass(frozen=True, slots=True)
class Call:
    """One function call: the function's name and its arguments by name."""

    name: str
    arguments: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """{"name": ..., "arguments": {...}}, keys in the order in which models write them."""
        return {"name": self.name, "arguments": self.arguments}

    def as_tool_call(self, call_id: str) -> dict[str, Any]:
        """The call in an OpenAI chat message's `tool_calls`: a server asks for an id, chat templates do not show it."""
        function = {"name": self.name, "arguments": json_text(self.arguments)}
        return {"id": call_id, "type": "function", "function": function}


def calls_from_json(text: str) -> tuple[Call, ...]:
    """Read expected calls: a JSON list of calls, or one call as an object. Raises FcAssetsError on any other form."""
    value = json_value(text, "calls")
    items = value if isinstance(value, list) else [value]
    for item in items:
        if not _is_call(item):
            raise FcAssetsError(f'an expected call must be {{"name": text, "arguments": object}}, not {item!r:.200}')
    return tuple(Call(item["name"], item["arguments"]) for item in items)


def calls_to_json(calls: tuple[Call, ...] | list[Call]) -> str:
    """The JSON list that `calls_from_json` reads."""
    return json_text([call.as_dict() for call in calls])


def json_value(text: str, what: str) -> Any:
    """The parsed `text`. Raises FcAssetsError saying that `what` must be JSON."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise FcAssetsError(f"{what} must be JSON, but {error}: {text!r:.200}") from error


def _is_call(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(item.get("name"), str) and isinstance(item.get("arguments"), dict)
