"""The Berkeley Function Calling Leaderboard's own questions and checker, run by an environment of their own.

    PYTHON checker.py rows  --categories a,b --per-category N --seed S [--official-prompts] --out ROWS.json
    PYTHON checker.py score --root FOLDER --sets a,b --out SCORES.json

PYTHON holds `requirements/bfcl.txt`; this file imports the standard library and bfcl_eval only, nothing of this
project, and so is a script with a command line instead of a typed job. `rows` samples questions; `score` hands sets of
result files to the official runner and collects its verdicts. Playing a conversation is `player`; asking a model does
not belong here, nor does any judgement of our own.
"""

from __future__ import annotations

import argparse
import builtins
import contextlib
import importlib.metadata
import json
import os
import random
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

UNDEFINED = "undefined_function()"
"""Stands for a call that must not be evaluated: the official executor answers that there is no such function."""


def rows(categories: list[str], per_category: int, seed: int, official_prompts: bool) -> dict[str, object]:
    """A stratified sample in the data set's order; `per_category` 0 takes all.

    Functions are as an official handler gets them, language hints included; `possible_answers` is None where the
    right answer is silence (irrelevance) or any call (relevance). `prompt` is what the official Qwen handler would
    send, where asked for; a conversation has none, since its prompts depend on what is answered, and no messages
    either: `turns` counts its turns. `sizes` counts all rows of each category.
    """
    from bfcl_eval.utils import load_dataset_entry, load_ground_truth_entry

    unknown = sorted(set(categories) - set(runnable_categories()))
    if unknown:
        raise SystemExit(
            f"error: bfcl.categories has {', '.join(unknown)}; known are {', '.join(runnable_categories())}"
        )
    handler = official_handler() if official_prompts else None
    sample: list[dict[str, object]] = []
    sizes: dict[str, int] = {}
    for category in categories:
        entries = load_dataset_entry(category, include_prereq=False)
        answers = [None] * len(entries)
        if "relevance" not in category:
            answers = [entry["ground_truth"] for entry in load_ground_truth_entry(category)]
        sizes[category] = len(entries)
        indices: Sequence[int] = range(len(entries))
        if per_category and per_category < len(entries):
            indices = sorted(random.Random(f"{seed}/{category}").sample(indices, per_category))
        sample += [_row(category, entries[index], answers[index], handler) for index in indices]
    return {"version": importlib.metadata.version("bfcl-eval"), "sizes": sizes, "rows": sample}


def runnable_categories() -> list[str]:
    """The categories that need neither the network nor a model beside the one that is asked."""
    from bfcl_eval.constants.category_mapping import MULTI_TURN_CATEGORY, SINGLE_TURN_CATEGORY

    return [*SINGLE_TURN_CATEGORY, *MULTI_TURN_CATEGORY, "memory_kv", "memory_rec_sum"]


def _row(category: str, entry: dict[str, Any], answers: object, handler: Any) -> dict[str, object]:
    from bfcl_eval.utils import contain_multi_turn_interaction

    conversation = contain_multi_turn_interaction(category)
    if not conversation and len(entry["question"]) != 1:
        raise SystemExit(f"error: BFCL row {entry['id']} has {len(entry['question'])} turns, not one")
    messages = [] if conversation else entry["question"][0]
    late = [function for functions in entry.get("missed_function", {}).values() for function in functions]
    return {
        "id": entry["id"],
        "category": category,
        "messages": messages,
        "functions": [*entry["function"], *late],
        "possible_answers": answers,
        "prompt": handler._format_prompt(messages, entry["function"]) if handler and not conversation else "",
        "turns": len(entry["question"]),
    }


def score(root: Path, sets: list[str]) -> dict[str, object]:
    """The official verdict on every result file below `root`/result/SET: correct, total, and what was wrong, by set.

    Per-category files are the truth: the official summary counts categories that were not evaluated as 0. Each set has
    a name of its own, since the official executor keeps the worlds of conversations by it as long as this process.
    """
    handler = official_handler()
    from bfcl_eval.eval_checker.eval_runner import evaluate_task
    from bfcl_eval.utils import extract_test_category, load_file

    verdicts: dict[str, dict[str, object]] = {name: {} for name in sets}
    for name in sets:
        for file in sorted((root / "result" / name).rglob("BFCL_v4_*_result.json")):
            category = extract_test_category(file)
            results = load_file(file, sort_by_id=True)
            evaluate_task(category, root / "result", root / "score", results, name, handler, {}, allow_missing=True)
            (verdict_file,) = (root / "score" / name).rglob(f"BFCL_v4_{category}_score.json")
            verdict, *wrong = load_file(verdict_file)
            verdicts[name][category] = {
                "correct": verdict["correct_count"],
                "total": verdict["total_count"],
                "wrong": [{"id": entry["id"], "error": _error(entry)} for entry in wrong],
            }
    return {"version": importlib.metadata.version("bfcl-eval"), "sets": verdicts}


def _error(entry: dict[str, Any]) -> str:
    """The type of an error where the checker names one, else the beginning of what it says."""
    error = entry.get("error")
    kind = entry.get("error_type") or (error.get("error_type") if isinstance(error, dict) else "")
    return str(kind or error)[:500]


def official_handler() -> Any:
    """The official handler of Qwen models in function-calling mode; makes no request."""

    class AnyModel(dict[str, Any]):
        """The settings of whatever model is asked for: those of a Qwen model in function-calling mode."""

        def __missing__(self, key: str) -> SimpleNamespace:
            return SimpleNamespace(underscore_to_dot=False, is_fc_model=True)

    # The real modules import every vendor's SDK, which takes seconds. Of the one the checker reads only these fields;
    # of the next the handler makes a client that nobody uses, and pandas is for its uploads.
    _stand_in("bfcl_eval.constants.model_config", MODEL_CONFIG_MAPPING=AnyModel())
    _stand_in("openai", OpenAI=SimpleNamespace)
    _stand_in("pandas")
    from bfcl_eval.model_handler.local_inference.qwen_fc import QwenFCHandler

    handler = QwenFCHandler("policy", temperature=0, registry_name="policy", is_fc_model=True)
    decode = handler.decode_execute

    def decode_safely(result: Any, has_tool_call_tag: bool) -> list[str]:
        """As the official handler, but that what a model names is evaluated only where it can be a tool."""
        decoded = decode(result, has_tool_call_tag)
        calls = handler._extract_tool_calls(result)
        return [text if _harmless(call) else UNDEFINED for call, text in zip(calls, decoded, strict=True)]

    # On the object: its classes demand marks on what overrides them that a local class cannot carry.
    handler.decode_execute = decode_safely
    return handler


def _stand_in(name: str, **content: object) -> None:
    module = types.ModuleType(name)
    vars(module).update(content)
    sys.modules[name] = module


def _harmless(call: dict[str, Any]) -> bool:
    """Whether the official executor, which evaluates `name(key=value)` as Python, can only reach a tool by this call.

    It forbids some names and no other: a built-in or a helper of its own module would be called with what the model
    wrote, and a name that is an expression would be evaluated.
    """
    from bfcl_eval.eval_checker.multi_turn_eval import multi_turn_utils

    name, arguments = call["name"], call["arguments"]
    keys = json.loads(arguments) if isinstance(arguments, str) else arguments
    reachable = vars(builtins).keys() | {key for key, value in vars(multi_turn_utils).items() if callable(value)}
    return name not in reachable and all(isinstance(each, str) and each.isidentifier() for each in (name, *keys))


def main() -> None:
    """The command line in the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    sampling = commands.add_parser("rows")
    sampling.add_argument("--categories", required=True)
    sampling.add_argument("--per-category", type=int, default=0)
    sampling.add_argument("--seed", type=int, default=42)
    sampling.add_argument("--official-prompts", action="store_true")
    scoring = commands.add_parser("score")
    scoring.add_argument("--root", type=Path, required=True)
    scoring.add_argument("--sets", required=True)
    for command in (sampling, scoring):
        command.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    # bfcl_eval makes its folders when it is imported, beside site-packages unless told otherwise.
    root = arguments.root if arguments.command == "score" else arguments.out.parent
    os.environ["BFCL_PROJECT_ROOT"] = str(root.resolve())
    with contextlib.redirect_stdout(sys.stderr):
        if arguments.command == "rows":
            categories = arguments.categories.split(",")
            result = rows(categories, arguments.per_category, arguments.seed, arguments.official_prompts)
        else:
            result = score(arguments.root.resolve(), arguments.sets.split(","))
    arguments.out.write_text(json.dumps(result, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main()
