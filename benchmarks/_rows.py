"""Generated questions with answers that go wrong in known shares: the input of `benchmarks.scoring`."""

from __future__ import annotations

import random

from fc_assets.calls.call import Call, calls_from_json
from fc_assets.calls.prompts import answer_text
from fc_assets.data.rows.normalise import normalise_row
from fc_assets.data.rows.tools import ToolReader
from fc_assets.data.sources.generator import generate_rows
from fc_assets.evaluation.scoring import ScoringRow


def rows_with_errors(rows: int, wrong_share: float, seed: int) -> list[ScoringRow]:
    """Generated questions with answers of which about `wrong_share` are wrong, in every way that models are."""
    rng = random.Random(seed)
    reader = ToolReader()
    made = []
    for number, raw in enumerate(generate_rows(rows, seed)):
        example = normalise_row(raw, reader)
        expected = calls_from_json(example.calls)
        wrong = rng.random() < wrong_share
        text = _spoiled(rng, expected) if wrong else answer_text(expected) or "No tool here does that."
        made.append(
            ScoringRow(example.id, example.query, example.tools, expected, text, tools_seen_in_train=number % 3 > 0)
        )
    return made


def _spoiled(rng: random.Random, expected: tuple[Call, ...]) -> str:
    if not expected:
        return answer_text([Call("some_function", {"query": "x"})])
    first, rest = expected[0], list(expected[1:])
    arguments = dict(first.arguments)
    kind = rng.randrange(7)
    if kind == 0:
        return "I would call a function, but I forgot how."
    if kind == 1:
        return answer_text(expected).replace("}\n", "\n", 1)
    if kind == 2:
        return answer_text([Call(f"{first.name}_now", arguments), *rest])
    if kind == 3:
        return answer_text([*expected, first])
    if kind == 4 and arguments:
        arguments.pop(next(iter(arguments)))
    elif kind == 5:
        arguments["surprise"] = 7
    elif arguments:
        key = rng.choice(sorted(arguments))
        arguments[key] = str(arguments[key]) if kind == 6 and not isinstance(arguments[key], str) else "Atlantis"
    return answer_text([Call(first.name, arguments), *rest])
