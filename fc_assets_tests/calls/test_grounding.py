"""Semantic consistency: which values count as grounded."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fc_assets.calls.call import Call
from fc_assets.calls.grounding import grounded_leaves, grounding_text
from fc_assets.calls.tools.toolset import compile_tools
from fc_assets_tests.support.tools import TOOLS

STATED: list[tuple[str, Any, bool]] = [
    ("weather in Paris", "paris", True),
    ("weather in Paris", "London", False),
    ("weather in Paris, please", "Paris, France", True),  # half of its tokens
    ("weather in Paris", "Paris, Texas, USA", False),
    ("a table at the Ritz", "", False),
    ("bonjour", "\u3053", False),
    ("\u6771\u4eac\u306e\u5929\u6c17", "\u6771\u4eac", True),  # no spaces between words: contained
    ("帮我订明天去北京的火车票", "明天去上海的火车票", True),  # most of its pairs of characters
    ("帮我订明天去北京的火车票", "上海虹桥", False),
    ("帮我订3张去北京的票", 3, True),
    ("用iPhone拍的照片", "iphone 手机", True),
    ("明日の東京の天気を教えて", "東京の天気予報", True),
    ("明日の東京の天気を教えて", "大阪", False),
    ("จองโรงแรมในกรุงเทพ", "โรงแรมกรุงเทพ", True),
    ("จองโรงแรมในกรุงเทพ", "เชียงใหม่", False),
    ("3 days", 3, True),
    ("3 days", 3.0, True),
    ("3 days", 4, False),
    ("minus 3 degrees", -3, True),
    ("three days", 3, True),
    ("twenty-one days", 21, True),
    ("two hundred and five", 205, True),
    ("between five and six", 11, False),
    ("one hundred thousand and twenty", 100_020, True),
    ("1,200 dollars", 1200, True),
    ("1.5 litres", 1.5, True),
    ("3 million people", 3_000_000, True),
    ("5k run", 5000, True),
    ("10% off", 0.1, True),
    ("2 hours", 120, True),
    ("2 hours", 7200, True),
    ("5 km", 5000, True),
    ("half of it", 0.5, True),
    ("a dozen eggs", 12, True),
    ("twice", 2, True),
    ("the third", 3, True),
    ("on May 5, 2024", "2024-05-05", True),
    ("on June 5", "2031-11-07", False),
    ("anything", 10**400, False),
]


@pytest.mark.parametrize("text, value, stated", STATED)
def test_what_a_text_states(text: str, value: Any, stated: bool) -> None:
    assert grounding_text(text).holds(value) is stated


def test_leaves_are_counted_and_schemas_ground_too() -> None:
    tools = compile_tools(TOOLS)
    call = Call("get_weather", {"city": "Rome", "days": 7, "unit": "fahrenheit", "alerts": True})
    assert grounded_leaves([call], tools, "Weather in Paris") == (3, 4)  # description, enum, boolean; not Rome
    assert grounded_leaves([Call("get_weather", {"city": "Paris", "days": 1})], tools, "in Paris") == (2, 2)  # default
    nested = Call("book", {"type": "round", "dates": ["May", "June"], "guest": {"name": "Ann", "age": 9}})
    assert grounded_leaves([nested], tools, "A round table in May for Ann") == (3, 5)
    assert grounded_leaves([Call("ping", {})], tools, "ping") == (0, 0)
    assert grounded_leaves([Call("unknown", {"a": "Paris", "b": None})], tools, "in Paris") == (1, 2)


@given(st.text(), st.text() | st.integers() | st.floats())
def test_no_text_or_value_makes_it_raise(text: str, value: Any) -> None:
    grounding_text(text).holds(value)
