"""Generated questions with answers, a known share of them wrong in each of the ways that models are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import cycle

from fc_assets.calls.call import Call, calls_from_json
from fc_assets.calls.prompts import answer_text
from fc_assets.data.rows.normalise import normalise_row
from fc_assets.data.rows.tools import ToolReader
from fc_assets.data.sources.generator import generate_rows
from fc_assets.evaluation.scoring import ScoringRow

_GOLDEN = 0.618034  # its multiples modulo 1 are spread evenly, so that any run of rows has its share of wrong ones


def _with_arguments(calls: Sequence[Call], change: Callable[[dict[str, object]], dict[str, object]]) -> str:
    first, *rest = calls
    return answer_text([Call(first.name, change(dict(first.arguments))), *rest])


WRONG_ANSWERS: tuple[Callable[[Sequence[Call]], str], ...] = (
    lambda calls: "I would call a function, but I forgot how.",
    lambda calls: answer_text(calls).replace("}\n", "\n", 1),
    lambda calls: answer_text([Call(f"{calls[0].name}_now", calls[0].arguments), *calls[1:]]),
    lambda calls: answer_text([*calls, calls[0]]),
    lambda calls: _with_arguments(calls, lambda arguments: dict(list(arguments.items())[1:])),
    lambda calls: _with_arguments(calls, lambda arguments: {**arguments, "surprise": 7}),
    lambda calls: _with_arguments(calls, lambda arguments: {name: "Atlantis" for name in arguments}),
)


def rows_with_errors(count: int, wrong_share: float) -> list[ScoringRow]:
    """`count` rows; a question that expects no call is answered wrongly by a call."""
    reader, wrong_answers = ToolReader(), cycle(WRONG_ANSWERS)
    rows = []
    for number, raw in enumerate(generate_rows(count, 42)):
        example = normalise_row(raw, reader)
        expected = calls_from_json(example.calls)
        text = answer_text(expected) or "No tool here does that."
        if number * _GOLDEN % 1 < wrong_share:
            text = next(wrong_answers)(expected) if expected else answer_text([Call("some_function", {"query": "x"})])
        seen = number % 3 > 0
        rows.append(ScoringRow(example.id, example.query, example.tools, expected, text, tools_seen_in_train=seen))
    return rows
