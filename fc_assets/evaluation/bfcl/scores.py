"""The Berkeley Function Calling Leaderboard: its questions, a model's answers as its results, its verdicts.

The official checker runs in an environment of its own through `checker`. This module only translates and counts; asking
a model is `evaluate_bfcl`, its conversations are `conversations`, and no verdict is formed here.

Two prompt modes. `chat_template`: the model's own template with the functions as JSON Schema tools, as the policy is
served. `official`: the text of the leaderboard's own Qwen handler, which shows the functions unwrapped and in BFCL's
types; published Qwen numbers were measured so.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fc_assets.calls.parse import parse_strict
from fc_assets.calls.prompts import answer_text
from fc_assets.errors import FcAssetsError
from fc_assets.evaluation.answers import CUT, FAILED, TOO_LONG, Answer, Question, judged_text
from fc_assets.evaluation.bfcl import checker, self_test
from fc_assets.evaluation.bfcl.model import OFFICIAL, BfclAttempt, BfclRow, BfclSample, CategoryScore, ModeScores
from fc_assets.foundation.bfcl_environment import PYTHON_VARIABLE, candidates
from fc_assets.foundation.child_processes import processes
from fc_assets.profiles import BfclSettings

CHECKER_TIMEOUT_S = 600.0

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


def attempt_of(row: BfclRow, answer: Answer) -> BfclAttempt:
    """A question's answer as an attempt."""
    parsed = parse_strict(judged_text(answer.text, answer.finish_reason))
    return BfclAttempt(
        row, result_text(answer.text), answer.text, answer.finish_reason, parsed.malformed, len(parsed.calls)
    )


@dataclass(frozen=True, slots=True)
class Judged:
    """Every prompt mode judged, and how many answers of the self-test were judged beside them."""

    modes: Mapping[str, ModeScores]
    self_test: int


def score_modes(attempts: Mapping[str, Sequence[BfclAttempt]], python: Path, root: Path, log: Path) -> Judged:
    """The official checker's verdicts on each prompt mode's attempts; the categories come in the rows' order.

    A prompt that did not fit the model is a wrong answer in every category and is not shown to the checker, which would
    praise its silence on irrelevance; so is a cut answer where silence is right, and a conversation that an answer cut.
    Rows without an answer (infrastructure) are only counted. Beside them the checker is shown answers whose worth is
    known. Raises FcAssetsError when it did not judge every row that it was given, or judged those otherwise.
    """
    rows = {row.id: row for asked in attempts.values() for row in (attempt.row for attempt in asked)}
    known = self_test.self_test_sets([*rows.values()])
    given = {mode: [attempt for attempt in asked if not _ended(attempt)] for mode, asked in attempts.items()}
    wrong = judge({**known, **given}, python, root, log)
    judged = self_test.check(known, wrong)
    return Judged({mode: _mode_scores(asked, wrong[mode]) for mode, asked in attempts.items()}, judged)


def judge(sets: Mapping[str, Sequence[BfclAttempt]], python: Path, root: Path, log: Path) -> dict[str, dict[str, str]]:
    """What the official checker calls wrong in each set of attempts: the kind of error by row id."""
    for name, attempts in sets.items():
        _write_results(attempts, root / "result" / name)
    out = root / "scores.json"
    _run_checker(python, ["score", "--root", str(root), "--sets", ",".join(sets), "--out", str(out)], log)
    verdicts = json.loads(out.read_text(encoding="utf-8"))["sets"]
    for name, attempts in sets.items():
        _check_complete(attempts, verdicts[name], log)
    return {
        name: {entry["id"]: entry["error"] for verdict in verdicts[name].values() for entry in verdict["wrong"]}
        for name in sets
    }


def _ended(attempt: BfclAttempt) -> str:
    """Why an attempt is not shown to the checker: what ended it; empty where nothing did."""
    if attempt.finish_reason == CUT and not (attempt.row.is_conversation or attempt.row.wants_silence):
        return ""
    return {FAILED: FAILED, TOO_LONG: "prompt_too_long", CUT: "cut"}.get(attempt.finish_reason, "")


def _mode_scores(attempts: Sequence[BfclAttempt], wrong: Mapping[str, str]) -> ModeScores:
    answered = [attempt for attempt in attempts if attempt.finish_reason != FAILED]
    failed = Counter(attempt.row.category for attempt in attempts if attempt.finish_reason == FAILED)
    records = [_record(attempt, _ended(attempt) or wrong.get(attempt.row.id, "")) for attempt in answered]
    scores = [
        _category_score(category, [record for record in records if record["category"] == category], failed[category])
        for category in dict.fromkeys(attempt.row.category for attempt in answered)
    ]
    return ModeScores(scores, records, failed=failed.total())


def write_records(judged: Mapping[str, ModeScores], file: Path) -> None:
    """Write every mode's records as one Parquet table."""
    import pyarrow as pa
    import pyarrow.parquet

    records = [{"prompt_mode": mode, **record} for mode, scores in judged.items() for record in scores.records]
    pa.parquet.write_table(pa.Table.from_pylist(records), file)


def _record(attempt: BfclAttempt, error: str) -> dict[str, object]:
    return {
        "id": attempt.row.id,
        "category": attempt.row.category,
        "correct": not error,
        "error": error,
        "parse_failed": bool(attempt.malformed) or (attempt.row.wants_call and not attempt.calls),
        "too_long": attempt.finish_reason == TOO_LONG,
        "cut": attempt.finish_reason == CUT,
        "finish_reason": attempt.finish_reason,
        "text": attempt.text,
    }


def _category_score(category: str, records: Sequence[Mapping[str, object]], failed: int) -> CategoryScore:
    from fc_assets.evaluation.intervals import wilson  # brings numpy, which the definitions can do without

    def count(column: str) -> int:
        return sum(bool(record[column]) for record in records)

    total, correct = len(records), count("correct")
    interval = wilson(correct, total)
    assert interval, "a category is scored only where it has rows"
    return CategoryScore(
        category=category,
        accuracy=correct / total,
        low=interval.low,
        high=interval.high,
        correct=correct,
        total=total,
        parse_fail_share=count("parse_failed") / total,
        too_long=count("too_long"),
        cut=count("cut"),
        failed=failed,
    )


def _write_results(attempts: Sequence[BfclAttempt], folder: Path) -> None:
    """The attempts where and how the official runner looks for them. Without latencies: it trips over a single one."""
    folder.mkdir(parents=True, exist_ok=True)
    for category in dict.fromkeys(attempt.row.category for attempt in attempts):
        lines = [
            json.dumps({"id": attempt.row.id, "result": attempt.result}, ensure_ascii=False) + "\n"
            for attempt in attempts
            if attempt.row.category == category
        ]
        (folder / f"BFCL_v4_{category}_result.json").write_text("".join(lines), encoding="utf-8")


def _check_complete(given: Sequence[BfclAttempt], verdicts: Mapping[str, Mapping[str, Any]], log: Path) -> None:
    for category, expected in Counter(attempt.row.category for attempt in given).items():
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
