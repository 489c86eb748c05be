"""Function masking: names say nothing any more, and calls stay right."""

import json
import random

import pytest

from fc_assets.calls.tools.toolset import compile_tools
from fc_assets.data.curation.gold import audit
from fc_assets.data.curation.masking import mask, masker
from fc_assets.data.rows.normalise import normalise_row
from fc_assets_tests.support.curation_rows import EXAMPLES, GOOD, READER, TOOL


def test_masking_hides_names_and_keeps_the_calls_valid():
    example = normalise_row(
        {
            "id": 1,
            "query": "Use book_table for 2 people: place Rome.",
            "answers": [{"name": "book_table", "arguments": GOOD}],
            "tools": [TOOL, {"name": "other", "parameters": {"people": {"type": "int", "default": 4}}}],
        },
        READER,
    )
    masked = mask(example, random.Random(1))
    for hidden in ("book_table", "other", "people", "place", "tags"):
        assert f'"{hidden}"' not in masked.tools + masked.calls
    assert "book_table" not in masked.query
    assert "place Rome" in masked.query  # a plain word of the language stays
    tools, calls = json.loads(masked.tools), json.loads(masked.calls)
    assert sorted(calls[0]["arguments"].values(), key=str) == [2, "Rome"]
    compiled = compile_tools(masked.tools)
    assert audit(masked.tools, masked.calls, coerce=False).perfect
    assert compiled.first(tools[1]["name"]).defaults
    assert mask(example, random.Random(1)) == masked


def test_masked_share():
    assert masker(0.0, 42) is None
    variant = masker(0.3, 42)
    assert sum(variant(example) is not None for example in EXAMPLES) / len(EXAMPLES) == pytest.approx(0.3, abs=0.08)


def test_masked_rows_still_earn_full_reward():
    variant = masker(1.0, 42)
    for example in EXAMPLES[:100]:
        masked = variant(example)
        assert audit(masked.tools, masked.calls, coerce=False).perfect
