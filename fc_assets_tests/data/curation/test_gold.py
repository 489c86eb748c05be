"""The audit of expected calls: each cause is named, and what differs only in its spelling is mended."""

import json

import pytest

from fc_assets.data.curation.gold import audit
from fc_assets_tests.support.curation_rows import GOOD, booking


@pytest.mark.parametrize(
    ("arguments", "cause", "mended"),
    [
        (GOOD, "", GOOD),
        ({"place": "Rome", "people": "2"}, "value of another type", GOOD),
        ({"place": 5, "people": 2}, "value of another type", {"place": "5", "people": 2}),
        ({**GOOD, "tags": '["a"]'}, "value of another type", {**GOOD, "tags": ["a"]}),
        ({"place": "Rome", "people": "two"}, "value of another type", None),
        ({"place": "Rome"}, "required argument is missing", None),
        ({**GOOD, "hour": 8}, "argument is not declared", None),
        ({**GOOD, "kind": "both"}, "value breaks the schema", None),
    ],
)
def test_gold_audit(arguments: dict, cause: str, mended: dict | None):
    example = booking("1", "Book", arguments)
    verdict = audit(example.tools, example.calls, coerce=True)
    assert verdict.cause == cause
    assert verdict.perfect == (mended is not None)
    assert json.loads(verdict.calls)[0]["arguments"] == (mended or arguments)
    plain = audit(example.tools, example.calls, coerce=False)
    assert plain.perfect == (not cause)
    assert plain.calls == example.calls


def test_a_value_that_is_not_of_its_format_is_named():
    day = {"type": "object", "properties": {"day": {"type": "string", "format": "date"}}, "required": ["day"]}
    tools = json.dumps([{"name": "open", "description": "", "parameters": day}])
    verdicts = [
        audit(tools, json.dumps([{"name": "open", "arguments": {"day": text}}]), coerce=True)
        for text in ("2026-02-28", "2026-02-30")
    ]
    assert [(verdict.perfect, verdict.cause) for verdict in verdicts] == [
        (True, ""),
        (False, "value is not of its format"),
    ]
