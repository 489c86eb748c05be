"""Irrelevance: as many rows as asked for, whose tools cannot answer."""

import json

import pytest

from fc_assets.data.curation.curate import CuratedExample
from fc_assets.data.curation.irrelevance import FLAG_MADE, missing_rate
from fc_assets_tests.support.curation_rows import EXAMPLES, curated_rows


def test_irrelevance_rows_reach_their_share_with_tools_that_cannot_answer():
    rate = missing_rate(0.1, len(EXAMPLES), 0)
    kept, report = curated_rows(EXAMPLES, rate=rate)
    made = [curated for curated in kept if FLAG_MADE in curated.example.flags]
    assert len(made) == report.made_irrelevant
    assert len(made) / len(kept) == pytest.approx(0.1, abs=0.03)
    by_id = {example.id: example for example in EXAMPLES}
    for example, question, _ in made:
        origin = by_id[example.id.removesuffix("-irrelevant")]
        assert (example.query, example.calls) == (origin.query, "[]")
        wanted = {call["name"] for call in json.loads(origin.calls)}
        assert not wanted & {tool["name"] for tool in json.loads(example.tools)}
        assert CuratedExample(origin, question) in kept
    assert kept == curated_rows(EXAMPLES, rate=rate)[0]


def test_missing_rate():
    assert missing_rate(0.1, 90, 0) == pytest.approx(10 / 90)
    assert missing_rate(0.1, 100, 10) == 0.0
    assert missing_rate(0.1, 100, 50) == 0.0
    assert missing_rate(0.0, 100, 0) == 0.0
    assert missing_rate(1.0, 100, 100) == 0.0
