"""What the gates measure on published data, row by row. What is good enough is decided in `checks`."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from fc_assets.calls.call import calls_from_json
from fc_assets.calls.conversations import turns_of
from fc_assets.calls.tools.toolset import compile_tools
from fc_assets.data.rows.examples_file import read_examples
from fc_assets.data.rows.held_out import FLAG_HELD_OUT_TOOL, is_held_out
from fc_assets.data.rows.normal_query import later_questions, normal_query
from fc_assets.data.sources.files import read_files
from fc_assets.data.splits import TOOLS_SEEN, split_rows
from fc_assets.errors import FcAssetsError

_ASKING = ("human", "observation")


def malformed_examples(table: Path) -> Iterator[str]:
    """One sentence for each row of the normalised table that is not what `Example` promises."""
    ids: set[str] = set()
    for example in read_examples(table):
        try:
            tools, calls = compile_tools(example.tools), calls_from_json(example.calls)
        except FcAssetsError as error:
            yield f"row {example.id}: {error}"
            continue
        if example.id in ids:
            yield f"row {example.id}: the id appears twice"
        elif not example.query.strip() or not tools.by_name:
            yield f"row {example.id}: no query or no tools"
        elif any(call.name not in tools for call in calls):
            yield f"row {example.id}: a call names a tool that is not offered"
        ids.add(example.id)


def malformed_rows(split: Path, *, validation: bool) -> Iterator[str]:
    """One sentence for each row of a split that ShareGPT readers, or this project, would stumble over."""
    ids: set[str] = set()
    for raw in read_files(split):
        row: Any = raw.value
        try:
            problem = _problem_of(row, validation)
        except (FcAssetsError, KeyError, TypeError, AttributeError, ValueError) as error:
            problem = f"{type(error).__name__}: {error}"
        if not problem and row["id"] in ids:
            problem = "the id appears twice"
        if problem:
            yield f"line {raw.line}, row {row.get('id') if isinstance(row, dict) else '?'}: {problem}"
        else:
            ids.add(row["id"])


def _problem_of(row: dict[str, Any], validation: bool) -> str:
    speakers = [turn["from"] for turn in row["conversations"]]
    if not speakers or len(speakers) % 2:
        return "a conversation must be pairs of question and answer"
    if any((speaker in _ASKING) != (place % 2 == 0) for place, speaker in enumerate(speakers)):
        return f"speakers must alternate, but they are {', '.join(speakers)}"
    if not all(isinstance(turn["value"], str) and turn["value"].strip() for turn in row["conversations"]):
        return "a turn is empty or not text"
    if validation and not isinstance(row[TOOLS_SEEN], bool):
        return f"{TOOLS_SEEN} must be true or false"
    tools = compile_tools(row["tools"])
    if any(call.name not in tools for turn in turns_of(row) for call in turn.calls):
        return "a call names a tool that is not offered"
    return ""


def shared_rows(train: Path, validation: Path) -> tuple[int, int]:
    """How many ids, and how many normalised queries, of the validation split are in the training split too."""
    ids: set[str] = set()
    queries: set[str] = set()
    for row in split_rows(validation):
        ids.add(row["id"])
        queries.update(_questions(row))
    shared_ids: set[str] = set()
    shared_queries: set[str] = set()
    for row in split_rows(train):
        shared_ids.update({row["id"]} & ids)
        shared_queries.update(queries.intersection(_questions(row)))
    return len(shared_ids), len(shared_queries)


def held_out_in_train(train: Path, validation: Path) -> tuple[int, int]:
    """How many rows of the training split are held out, and how many tools it offers that are.

    A tool is held out that a validation row flagged so calls; equal is one with the same name and parameters.
    """
    held_out = {
        tool
        for row in split_rows(validation)
        if FLAG_HELD_OUT_TOOL in row["flags"]
        for tool in _offered(row, {call.name for turn in turns_of(row) for call in turn.calls})
    }
    rows, offered = 0, set[str]()
    for row in split_rows(train):
        rows += is_held_out(row["flags"])
        if held_out:
            offered |= held_out & _offered(row)
    return rows, len(offered)


def _offered(row: dict[str, Any], called: Collection[str] | None = None) -> set[str]:
    """The tools that the row offers, or those of them that it calls, each as canonical JSON."""
    tools = json.loads(row["tools"])
    return {json.dumps(tool, sort_keys=True) for tool in tools if called is None or tool["name"] in called}


def rows_asking(questions: Collection[str], split: Path) -> list[str]:
    """The ids of rows in which the user asks one of `questions` (compared in normal form)."""
    normal = {normal_query(question) for question in questions}
    return [
        row["id"]
        for row in split_rows(split)
        if any(turn["from"] == "human" and normal_query(turn["value"]) in normal for turn in row["conversations"])
    ]


def gold_ceiling(split: Path) -> float:
    """Share of the turns that expect calls in which all of them validate against their own schema; 1.0 without any."""
    expecting = valid = 0
    for row in split_rows(split):
        for turn in turns_of(row):
            if turn.calls:
                expecting += 1
                tools = compile_tools(row["tools"])
                valid += all(tools.validates(call) for call in turn.calls)
    return valid / expecting if expecting else 1.0


def _questions(row: dict[str, Any]) -> list[str]:
    """The first question of a row, and those asked later that tell it from others, in normal form."""
    asked = [turn["value"] for turn in row["conversations"] if turn["from"] == "human"]
    return [*map(normal_query, asked[:1]), *later_questions(asked[1:])]
