"""The Berkeley Function Calling Leaderboard: its questions, a model's answers as its results, its verdicts.

The official checker runs in an environment of its own through `checker`. This module only translates and counts; asking
a model is `evaluate_bfcl`, and no verdict is formed here.

Two prompt modes. `chat_template`: the model's own template with the functions as JSON Schema tools, as the policy is
served. `official`: the text of the leaderboard's own Qwen handler, which shows the functions unwrapped and in BFCL's
types; published Qwen numbers were measured so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fc_assets.calls.parse import parse_strict
from fc_assets.calls.prompts import answer_text
from fc_assets.errors import FcAssetsError
from fc_assets.evaluation.answers import TOO_LONG, Answer, Question
from fc_assets.evaluation.bfcl import checker
from fc_assets.evaluation.bfcl.model import BfclRow, BfclSample, CategoryScore, ModeScores, ModeSummary
from fc_assets.foundation.bfcl_environment import PYTHON_VARIABLE, candidates
from fc_assets.foundation.child_processes import processes
from fc_assets.profiles import BfclSettings

OFFICIAL = "official"
CHECKER_TIMEOUT_S = 600.0

_SIMPLE = ("simple_python", "simple_java", "simple_javascript")
_NON_LIVE = ("multiple", "parallel", "parallel_multiple")
_LIVE = ("live_simple", "live_multiple", "live_parallel", "live_parallel_multiple")
_IRRELEVANCE = ("irrelevance", "live_irrelevance")
_SILENT = frozenset(_IRRELEVANCE)

_JSON_TYPES = {"dict": "object", "float": "number", "tuple": "array", "any": "string"}
"""BFCL's type names that JSON Schema spells otherwise; its own conversion for served models does the same."""


def find_python(settings: BfclSettings) -> Path:
    """The Python that has bfcl-eval. Raises FcAssetsError saying where it was looked for and how to make it."""
    looked_at = candidates(settings.python)
    for candidate in looked_at:
        if candidate.is_file():
            return candidate
    raise FcAssetsError(
        f"The BFCL checker's environment is missing: there is no Python at {' or '.join(map(str, looked_at))}. Run "
        "`uv venv .venv-bfcl` and `uv pip install -p .venv-bfcl/bin/python --no-deps -r requirements/bfcl.txt`, or set "
        f"bfcl.python or {PYTHON_VARIABLE}"
    )


def take_sample(settings: BfclSettings, python: Path, scratch: Path, log: Path) -> BfclSample:
    """The stratified, seeded sample that the settings ask for, in the data set's order."""
    out = scratch / "bfcl-rows.json"
    arguments = ["--categories", ",".join(settings.categories), "--per-category", str(settings.rows_per_category)]
    arguments += ["--official-prompts"] if OFFICIAL in settings.prompt_modes else []
    _run_checker(python, ["rows", *arguments, "--seed", str(settings.seed), "--out", str(out)], log)
    found = json.loads(out.read_text(encoding="utf-8"))
    return BfclSample(tuple(BfclRow(**row) for row in found["rows"]), found["sizes"], found["version"])


def questions_of(rows: Sequence[BfclRow], mode: str) -> list[Question]:
    """The rows as requests in one prompt mode, their ids led by it. Names keep their dots: the template takes them."""
    if mode == OFFICIAL:
        return [Question(f"{mode}:{row.id}", prompt=row.prompt) for row in rows]
    tools = [[as_tool(function) for function in row.functions] for row in rows]
    return [Question(f"{mode}:{row.id}", row.messages, offered) for row, offered in zip(rows, tools, strict=True)]


def as_tool(function: Mapping[str, Any]) -> dict[str, Any]:
    """A BFCL function document as a tool in OpenAI's form."""
    return {
        "name": function["name"],
        "description": function.get("description", ""),
        "parameters": _as_schema(function["parameters"]),
    }


def _as_schema(document: Mapping[str, Any]) -> dict[str, Any]:
    schema = dict(document)
    if isinstance(schema.get("type"), str):
        schema["type"] = _JSON_TYPES.get(schema["type"], schema["type"])
    if isinstance(schema.get("properties"), dict):
        schema["properties"] = {name: _as_schema(part) for name, part in schema["properties"].items()}
    if isinstance(schema.get("items"), dict):
        schema["items"] = _as_schema(schema["items"])
    schema.pop("optional", None)  # not JSON Schema; `required` says it
    return schema


def result_text(text: str) -> str:
    """An answer in the exact form that the official Qwen handler reads; text without a call stays as it is.

    The handler wants each call on a line of its own; a call that `parse_strict` reads is written that way.
    """
    parsed = parse_strict(text)
    return answer_text(parsed.calls) if parsed.calls else parsed.answer


def score_modes(
    sample: BfclSample, modes: Sequence[str], answers: Sequence[Answer], python: Path, scratch: Path, log: Path
) -> dict[str, ModeScores]:
    """The verdicts for each prompt mode, from the answers to `questions_of(sample.rows, mode)` for one mode after
    the other."""
    count = len(sample.rows)
    return {
        mode: score_answers(sample.rows, answers[place * count : (place + 1) * count], python, scratch / mode, log)
        for place, mode in enumerate(modes)
    }


def score_answers(
    rows: Sequence[BfclRow], answers: Sequence[Answer], python: Path, root: Path, log: Path
) -> ModeScores:
    """The official checker's verdicts on one answer for each row; the categories come in the rows' order.

    A prompt that did not fit the model is a wrong answer in every category and is not shown to the checker, which would
    praise its silence on irrelevance. Rows without an answer (infrastructure) are only counted. Raises FcAssetsError
    when the checker did not judge every row that it was given.
    """
    pairs = [(row, answer) for row, answer in zip(rows, answers, strict=True) if not answer.failed]
    given = [(row, answer) for row, answer in pairs if answer.finish_reason != TOO_LONG]
    wrong = {row.id: "prompt_too_long" for row, answer in pairs if answer.finish_reason == TOO_LONG}
    if given:
        _write_results(given, root)
        out = root / "scores.json"
        _run_checker(python, ["score", "--root", str(root), "--out", str(out)], log)
        verdicts = json.loads(out.read_text(encoding="utf-8"))["categories"]
        _check_complete(given, verdicts, log)
        wrong |= {
            entry["id"]: entry["error_type"] or entry["error"]
            for verdict in verdicts.values()
            for entry in verdict["wrong"]
        }
    records = [_record(row, answer, wrong.get(row.id, "")) for row, answer in pairs]
    scores = [
        _category_score(category, [record for record in records if record["category"] == category])
        for category in dict.fromkeys(row.category for row, _ in pairs)
    ]
    return ModeScores(scores, records, failed=len(rows) - len(pairs))


def headline(scores: Sequence[CategoryScore], sizes: Mapping[str, int]) -> dict[str, float | None]:
    """The leaderboard's single-turn summaries, each in [0, 1]; None where a category of it was not evaluated.

    As in bfcl_eval's eval_runner_helper: Non-Live is the mean of simple (itself the mean of three languages), multiple,
    parallel and parallel_multiple; Live is weighted by rows; Irrelevance is the mean of its two categories. The weights
    are those of the whole data set, so that a stratified sample estimates the official number. ST3 is their mean.
    """
    accuracy = {score.category: score.accuracy for score in scores}
    by_size = [(accuracy[name], sizes[name]) for name in _LIVE if name in accuracy]
    live = None
    if len(by_size) == len(_LIVE):
        live = sum(value * size for value, size in by_size) / sum(size for _, size in by_size)
    simple = _mean([accuracy.get(name) for name in _SIMPLE])
    non_live = _mean([simple, *(accuracy.get(name) for name in _NON_LIVE)])
    irrelevance = _mean([accuracy.get(name) for name in _IRRELEVANCE])
    return {
        "non_live": non_live,
        "live": live,
        "irrelevance": irrelevance,
        "st3": _mean([non_live, live, irrelevance]),
    }


def _mean(values: Sequence[float | None]) -> float | None:
    """The mean; None where one of the values is missing."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None


def summarise(judged: ModeScores, sizes: Mapping[str, int]) -> ModeSummary:
    """The scores of one mode and the figures above them; `sizes` counts all rows of each category."""
    return ModeSummary(
        headline=headline(judged.scores, sizes),
        parse_share=parse_share(judged.records),
        failed=judged.failed,
        too_long=sum(score.too_long for score in judged.scores),
        categories=tuple(judged.scores),
    )


def parse_share(records: Sequence[Mapping[str, object]]) -> float | None:
    """The share of rows expecting a call whose answer parses into at least one; None without such rows."""
    expecting = [record for record in records if record["category"] not in _SILENT]
    return sum(not record["parse_failed"] for record in expecting) / len(expecting) if expecting else None


def write_records(judged: Mapping[str, ModeScores], file: Path) -> None:
    """Write every mode's records as one Parquet table."""
    import pyarrow as pa
    import pyarrow.parquet

    records = [{"prompt_mode": mode, **record} for mode, scores in judged.items() for record in scores.records]
    pa.parquet.write_table(pa.Table.from_pylist(records), file)


def _record(row: BfclRow, answer: Answer, error: str) -> dict[str, object]:
    parsed = parse_strict(answer.text)
    silent = row.category in _SILENT
    return {
        "id": row.id,
        "category": row.category,
        "correct": not error,
        "error": error,
        "parse_failed": bool(parsed.malformed) or (not silent and not parsed.calls),
        "too_long": answer.finish_reason == TOO_LONG,
        "finish_reason": answer.finish_reason,
        "text": answer.text,
    }


def _category_score(category: str, records: Sequence[Mapping[str, object]]) -> CategoryScore:
    from fc_assets.evaluation.intervals import wilson  # brings numpy, which the definitions can do without

    total = len(records)
    correct = sum(bool(record["correct"]) for record in records)
    interval = wilson(correct, total)
    assert interval, "a category is scored only where it has rows"
    return CategoryScore(
        category=category,
        accuracy=correct / total,
        low=interval.low,
        high=interval.high,
        correct=correct,
        total=total,
        parse_fail_share=sum(bool(record["parse_failed"]) for record in records) / total,
        too_long=sum(bool(record["too_long"]) for record in records),
    )


def _write_results(pairs: Sequence[tuple[BfclRow, Answer]], root: Path) -> None:
    """The answers where and how the official runner looks for them. Without latencies: it trips over a single one."""
    for category in dict.fromkeys(row.category for row, _ in pairs):
        group = "live" if category.startswith("live_") else "non_live"
        file = root / "result" / checker.MODEL / group / f"BFCL_v4_{category}_result.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        lines = [
            json.dumps({"id": row.id, "result": result_text(answer.text)}, ensure_ascii=False) + "\n"
            for row, answer in pairs
            if row.category == category
        ]
        file.write_text("".join(lines), encoding="utf-8")


def _check_complete(
    given: Sequence[tuple[BfclRow, Answer]], verdicts: Mapping[str, Mapping[str, Any]], log: Path
) -> None:
    for category in {row.category for row, _ in given}:
        expected = sum(row.category == category for row, _ in given)
        judged = verdicts.get(category, {"total": 0})["total"]
        if judged != expected:
            raise FcAssetsError(f"The BFCL checker judged {judged} of {expected} rows of {category}; its log is {log}")


def _run_checker(python: Path, arguments: Sequence[str], log: Path) -> None:
    argv = [str(python), checker.__file__, *arguments]
    with processes.running("BFCL checker", argv, log=log) as child:
        code = child.wait(CHECKER_TIMEOUT_S)
    if code != 0:
        raise FcAssetsError(
            f"The BFCL checker ended with status {code}; its Python is {python}, and its log {log} ends:\n"
            f"{child.log_tail()}"
        )
