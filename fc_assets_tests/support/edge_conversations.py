"""Conversations whose prompts must be the same in every runtime: each a case that some runtime's template gets wrong.

Messages are those of the chat API, with arguments as objects; tools are functions without their wrapper.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Conversation:
    """`ollama_loses` says what Ollama's API does not hand to its template; empty where nothing is lost."""

    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[Mapping[str, Any]] = ()
    ollama_loses: str = ""


def _tool(name: str, description: str, properties: Mapping[str, Any], required: Sequence[str] = ()) -> dict[str, Any]:
    schema = {"type": "object", "properties": dict(properties)}
    return {
        "name": name,
        "description": description,
        "parameters": {**schema, "required": list(required)} if required else schema,
    }


def _user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def _said(*calls: tuple[str, Mapping[str, Any]], content: str = "") -> dict[str, Any]:
    made = [{"type": "function", "function": {"name": name, "arguments": dict(given)}} for name, given in calls]
    return {"role": "assistant", "content": content, "tool_calls": made}


def _returned(text: str) -> dict[str, Any]:
    return {"role": "tool", "content": text}


WEATHER = _tool(
    "get_weather",
    "Weather in a city & its <surroundings>, for 'n' days",
    {
        "city": {"type": "string", "description": 'The city, such as "Zürich" or C:\\Bern'},
        "days": {"type": "integer", "description": "1 to 14\nwhole days"},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
    },
    ["city"],
)
NOW = _tool("now", "The time {here}", {})
PLACES = _tool(
    "search_places",
    "查找附近的地点",
    {
        "keyword": {"type": "string", "description": "关键词"},
        "limits": {"type": ["integer", "null"], "enum": [1, 2.5, None, True, "all"]},
        "near": {"type": "array", "items": {"type": "number"}},
    },
    ["keyword", "near"],
)
TOOLS = (WEATHER, NOW, PLACES)
BERN = ("get_weather", {"city": "Bern", "days": 3})

CONVERSATIONS: Mapping[str, Conversation] = {
    "no tools": Conversation([_user("Hello")]),
    "no tools, a system message": Conversation([{"role": "system", "content": "Be brief."}, _user("Hi <b>you</b>")]),
    "one tool": Conversation([_user("What's the weather?\n")], [WEATHER]),
    "many tools and a system message": Conversation(
        [{"role": "system", "content": 'Say "yes" {or no}.'}, _user("What's on?")], TOOLS
    ),
    "a call and its result": Conversation(
        [_user("Weather in Bern?"), _said(BERN), _returned('{"sky": "clear", "note": "{}"}')], TOOLS
    ),
    "parallel calls and results": Conversation(
        [_user("Bern, and the time?"), _said(BERN, ("now", {})), _returned("clear"), _returned("12:30")], TOOLS
    ),
    "words before a call, and words after its result": Conversation(
        [
            _user("Bern?"),
            _said(BERN, content="Let me look."),
            _returned("clear"),
            {"role": "assistant", "content": "It is clear."},
            _user("And the time?"),
        ],
        TOOLS,
    ),
    "two steps": Conversation(
        [_user("Bern, then the time"), _said(BERN), _returned("clear"), _said(("now", {})), _returned("12:30")], TOOLS
    ),
    "Chinese": Conversation(
        [
            _user("离北京最近的咖啡馆在哪里"),
            _said(("search_places", {"keyword": "咖啡馆“星”", "near": [39.9, 116.4]})),
            _returned('{"名称": "猫🐈咖啡"}'),
        ],
        TOOLS,
    ),
    "quotes, braces and nesting in arguments": Conversation(
        [
            _user("Note it"),
            _said(("note", {"deep": {"a": [1, {"b": None}], "c": True}, "text": 'He said "{x}" \\ <tag> & \t\n'})),
            _returned(""),
        ],
        [_tool("note", "Write a note", {"deep": {"type": "array"}, "text": {"type": "string"}})],
    ),
    "parameters in another order, and defaults": Conversation(
        [_user("Book it"), _said(("book", {"seats": 2, "at": "noon"})), _returned("ok")],
        [
            _tool(
                "book",
                "Book a table",
                {"seats": {"type": "integer", "default": 2}, "at": {"type": "string", "format": "time"}},
                ["seats"],
            )
        ],
        ollama_loses="the order of parameters and arguments; keys of a schema such as default and format",
    ),
}
