"""Speed of judging: rows scored per second with every metric, time of the report's bootstrap, and peak memory.

`python -m benchmarks.scoring` scores 6,000 generated rows for three variants of falling error. `rows_per_s` and
`rewards_per_s` are per second of one core; `bootstrap_s` is the whole estimate of all three variants, with strata and
paired tests, on the clock.
"""

from __future__ import annotations

import random
import resource
import time

from benchmarks._results import write_result
from fc_assets.calls import Call, answer_text, calls_from_json, rewards
from fc_assets.data.generator import generate_rows
from fc_assets.data.normalise import normalise_row
from fc_assets.data.tools import ToolReader
from fc_assets.evaluation import comparison
from fc_assets.evaluation.scoring import ScoringRow, score_rows
from fc_assets.evaluation.statistics import BOOTSTRAP_SAMPLES

ROWS = 6_000
SEED = 42
WRONG_SHARES = {"base": 0.9, "sft": 0.3, "grpo": 0.2}


def rows_with_errors(rows: int, wrong_share: float, seed: int = SEED) -> list[ScoringRow]:
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


def main() -> None:
    """Measure and write `results/scoring.json`."""
    variants = {variant: rows_with_errors(ROWS, share) for variant, share in WRONG_SHARES.items()}
    score_rows(next(iter(variants.values()))[:50])  # imports and caches that a long run pays once
    start = time.process_time()  # one core's time: scoring runs on one, whatever else the machine does
    frames = {variant: score_rows(rows) for variant, rows in variants.items()}
    scored_s = time.process_time() - start
    start = time.process_time()
    for row in variants["sft"]:
        rewards(row.text, row.tools, row.expected)
    rewards_s = time.process_time() - start
    start = time.perf_counter()
    comparison.estimate(frames, BOOTSTRAP_SAMPLES, SEED)
    bootstrap_s = time.perf_counter() - start
    figures = {
        "rows": float(ROWS),
        "rows_per_s": round(ROWS * len(variants) / scored_s, 1),
        "rewards_per_s": round(ROWS / rewards_s, 1),
        "bootstrap_samples": float(BOOTSTRAP_SAMPLES),
        "bootstrap_s": round(bootstrap_s, 2),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }
    write_result("scoring", figures, packages=("jsonschema-rs", "numpy", "pandas", "scipy"))


if __name__ == "__main__":
    main()
