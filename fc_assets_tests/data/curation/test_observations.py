"""Observations: what the stubs echo is appended, and nothing where they refuse."""

import json

from fc_assets.data.curation.observations import with_observation
from fc_assets_tests.support.curation_rows import GOOD, booking, curated_rows


def test_observations_come_from_the_stubs():
    turns = json.loads(with_observation(booking("1", "Book", GOOD)).turns)
    assert [turn["from"] for turn in turns] == ["human", "function_call", "observation", "gpt"]
    assert json.loads(turns[2]["value"])["arguments"]["people"] == 2
    refused = booking("2", "Book", {"place": "Rome"})
    assert with_observation(refused) == refused
    silent = booking("3", "Book")
    assert with_observation(silent) == silent
    kept, _ = curated_rows([booking("1", "Book", GOOD)], observations=True)
    assert kept[0].example.turns
