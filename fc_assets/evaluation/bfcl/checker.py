"""The Berkeley Function Calling Leaderboard's own questions and checker, run by an environment of their own.

    PYTHON checker.py rows  --categories a,b --per-category N --seed S [--official-prompts] --out ROWS.json
    PYTHON checker.py score --root FOLDER --out SCORES.json

PYTHON holds `requirements/bfcl.txt`; this file imports the standard library and bfcl_eval only, nothing of this
project, and so is a script with a command line instead of a typed job. `rows` samples questions; `score` hands result
files to the official runner and collects its verdicts. Asking a model does not belong here, nor does any judgement of
our own.
"""

from __future__ import annotations

import argparse
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

MODEL = "policy"
"""The one model that the checker knows; also the name of its folder of results."""


def rows(categories: list[str], per_category: int, seed: int, official_prompts: bool) -> dict[str, object]:
    """A stratified sample in the data set's order; `per_category` 0 takes all.

    Functions are as an official handler gets them, language hints included; `possible_answers` is None where the
    right answer is silence (irrelevance) or any call (relevance). `prompt` is what the official Qwen handler would
    send, where asked for. `sizes` counts all rows of each category.
    """
    from bfcl_eval.constants.category_mapping import SINGLE_TURN_CATEGORY
    from bfcl_eval.utils import is_relevance_or_irrelevance, load_dataset_entry, load_ground_truth_entry

    unknown = sorted(set(categories) - set(SINGLE_TURN_CATEGORY))
    if unknown:
        raise SystemExit(
            f"error: bfcl.categories has {', '.join(unknown)}; known are {', '.join(SINGLE_TURN_CATEGORY)}"
        )
    handler = _handler() if official_prompts else None
    sample: list[dict[str, object]] = []
    sizes: dict[str, int] = {}
    for category in categories:
        entries = load_dataset_entry(category)
        answers = [None] * len(entries)
        if not is_relevance_or_irrelevance(category):
            answers = [entry["ground_truth"] for entry in load_ground_truth_entry(category)]
        sizes[category] = len(entries)
        indices: Sequence[int] = range(len(entries))
        if per_category and per_category < len(entries):
            indices = sorted(random.Random(f"{seed}/{category}").sample(indices, per_category))
        for index in indices:
            entry = entries[index]
            if len(entry["question"]) != 1:
                raise SystemExit(f"error: BFCL row {entry['id']} has {len(entry['question'])} turns, not one")
            sample.append(
                {
                    "id": entry["id"],
                    "category": category,
                    "messages": entry["question"][0],
                    "functions": entry["function"],
                    "possible_answers": answers[index],
                    "prompt": handler._format_prompt(entry["question"][0], entry["function"]) if handler else "",
                }
            )
    return {"version": importlib.metadata.version("bfcl-eval"), "sizes": sizes, "rows": sample}


def score(root: Path) -> dict[str, object]:
    """The official verdict on every result file below `root`/result/policy: correct, total, and what was wrong.

    Per-category files are the truth: the official summary counts categories that were not evaluated as 0.
    """
    handler = _handler()
    from bfcl_eval.eval_checker.eval_runner import evaluate_task
    from bfcl_eval.utils import extract_test_category, load_file

    categories = {}
    for file in sorted((root / "result" / MODEL).rglob("BFCL_v4_*_result.json")):
        category = extract_test_category(file)
        results = load_file(file, sort_by_id=True)
        evaluate_task(category, root / "result", root / "score", results, MODEL, handler, {}, allow_missing=True)
        (verdict_file,) = (root / "score" / MODEL).rglob(f"BFCL_v4_{category}_score.json")
        verdict, *wrong = load_file(verdict_file)
        categories[category] = {
            "correct": verdict["correct_count"],
            "total": verdict["total_count"],
            "wrong": [
                {"id": entry["id"], "error_type": entry.get("error_type", ""), "error": str(entry.get("error"))[:500]}
                for entry in wrong
            ],
        }
    return {"version": importlib.metadata.version("bfcl-eval"), "categories": categories}


def _handler() -> Any:
    """The official handler of Qwen models in function-calling mode; makes no request."""
    # The real module imports every vendor's SDK; the checker reads only these fields of it.
    slim = types.ModuleType("bfcl_eval.constants.model_config")
    vars(slim)["MODEL_CONFIG_MAPPING"] = {MODEL: SimpleNamespace(underscore_to_dot=False, is_fc_model=True)}
    sys.modules[slim.__name__] = slim
    from bfcl_eval.model_handler.local_inference.qwen_fc import QwenFCHandler

    return QwenFCHandler(MODEL, temperature=0, registry_name=MODEL, is_fc_model=True)


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
            result = score(arguments.root.resolve())
    arguments.out.write_text(json.dumps(result, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main()
