"""Values follow the schema, and have a text that a request can hold."""

import random
from typing import Any

import pytest

from fc_assets.calls.tools.schema import compile_schema, is_valid
from fc_assets.data.sources.own_tools.values import NoValueError, draw_value
from fc_assets.data.sources.own_tools.wording import label_of, tasks_of, text_of

SCHEMAS: list[tuple[str, dict[str, Any]]] = [
    ("level", {"enum": ["low", 3]}),
    ("level", {"const": "x"}),
    ("id", {"type": "string", "examples": ["A-1", "B-2"]}),
    ("amount", {"type": "number", "minimum": 2, "maximum": 3}),
    ("amount", {"type": "integer", "exclusiveMinimum": 4, "maximum": 6}),
    ("pages", {"type": "integer", "multipleOf": 5, "minimum": 5}),
    ("below", {"type": "integer", "maximum": -10}),
    ("when", {"type": "string", "format": "date-time"}),
    ("mail", {"type": "string", "format": "email"}),
    ("key", {"type": "string", "format": "uuid"}),
    ("host", {"type": "string", "format": "ipv4"}),
    ("link", {"type": "string", "format": "uri"}),
    ("maybe", {"anyOf": [{"type": "null"}, {"type": "integer"}]}),
    ("either", {"type": ["string", "null"]}),
    ("both", {"allOf": [{"type": "integer"}, {"minimum": 3}]}),
    ("days", {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2}),
    ("pair", {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "boolean"}]}),
    ("guest", {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}),
]


@pytest.mark.parametrize(("name", "schema"), SCHEMAS, ids=[f"{name} {schema}" for name, schema in SCHEMAS])
def test_a_drawn_value_validates(name: str, schema: dict[str, Any]) -> None:
    validator, rng = compile_schema(schema, "a test", formats=True), random.Random(3)
    for _ in range(30):
        value = draw_value(rng, name, schema, schema)
        assert is_valid(validator, value), value
        assert value is not None and text_of(value)


def test_references_are_followed_and_recursion_ends() -> None:
    root = {"$defs": {"city": {"enum": ["Oslo"]}, "loop": {"$ref": "#/$defs/loop"}}}
    assert draw_value(random.Random(1), "x", {"$ref": "#/$defs/city"}, root) == "Oslo"
    for reference in ("#/$defs/loop", "#/$defs/none", "http://example.org/schema"):
        with pytest.raises(NoValueError):
            draw_value(random.Random(1), "x", {"$ref": reference}, root)


def test_words_of_people() -> None:
    assert label_of("customerEmail") == label_of("customer_email") == "customer email"
    tool = {"name": "get_order_status", "description": "Returns the status of an order. Fast."}
    assert tasks_of(tool) == ["get order status", "return the status of an order"]
    assert tasks_of({"name": "x", "description": "A nice tool"}) == ["x"]
    assert text_of({"age": 3, "vip": True}) == "age 3, vip yes"
