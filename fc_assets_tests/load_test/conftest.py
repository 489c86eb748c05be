"""What the tests of this folder share: a row of a split that expects a call, and one of a whole conversation."""

import json

ADD = {
    "name": "add",
    "description": "Adds.",
    "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
}
ROW = {
    "id": "1",
    "conversations": [
        {"from": "human", "value": "add 1"},
        {"from": "function_call", "value": json.dumps({"name": "add", "arguments": {"a": 1}})},
    ],
    "tools": json.dumps([ADD]),
}


def question(number: int) -> dict:
    """A row with one question, unlike all others."""
    return {
        "id": f"q{number}",
        "conversations": [
            {"from": "human", "value": f"add {number}"},
            {"from": "function_call", "value": json.dumps({"name": "add", "arguments": {"a": number}})},
        ],
        "tools": json.dumps([ADD]),
    }


CONVERSATION = {
    "id": "talk",
    "system": "Be brief.",
    "conversations": [
        *ROW["conversations"],
        {"from": "observation", "value": "1"},
        {"from": "function_call", "value": json.dumps({"name": "add", "arguments": {"a": 2}})},
        {"from": "observation", "value": "3"},
        {"from": "gpt", "value": "It is 3."},
    ],
    "tools": json.dumps([ADD]),
}
"""Three answers: two calls, and words."""
