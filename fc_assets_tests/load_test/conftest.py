"""What the tests of this folder share: one row of a split that expects a call."""

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
