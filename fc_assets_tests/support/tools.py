"""Tools, calls and reward weights that several tests share."""

from __future__ import annotations

from typing import Any

from fc_assets.calls.call import Call
from fc_assets.profiles import RewardWeights

WEATHER: dict[str, Any] = {
    "name": "get_weather",
    "description": "Weather of a city. Use 7 days for a week.",
    "parameters": {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Name of the city"},
            "days": {"type": "integer", "default": 1},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
            "alerts": {"type": "boolean"},
        },
        "required": ["city"],
    },
}
BOOK: dict[str, Any] = {
    "name": "book",
    "description": "Book a table",
    "parameters": {
        "type": "object",
        "properties": {
            "type": {"type": "string"},
            "seats": {"type": "number", "minimum": 1},
            "dates": {"type": "array", "items": {"type": "string"}},
            "guest": {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}},
        },
        "required": ["type", "seats"],
    },
}
PING: dict[str, Any] = {"name": "ping", "description": "", "parameters": {"type": "object", "properties": {}}}
TOOLS = [WEATHER, BOOK, PING]
WEIGHTS = RewardWeights().model_dump()


def weather(city: str = "Paris", **more: Any) -> Call:
    """A call to the weather tool."""
    return Call("get_weather", {"city": city, **more})
