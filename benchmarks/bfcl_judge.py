"""Time that judging BFCL takes, beside the official checker's own command on the same answers.

`python -m benchmarks.bfcl_judge` judges one right answer, made from the gold, to each of the 3,641 questions of one
turn. `seconds_3641` is our step, from the answers to a score for each category: writing the result files, the checker's
process with its self-test, and reading the verdicts. `official_s` is the official `bfcl evaluate` on the very result
files, without the vendors' SDKs that its command line loads first; `vs_official` is the first by the second. Both are
seconds on the clock, the median of three runs in turn, so that a busy machine slows both. `same_verdicts` is 1 where
both call the same number right in every category.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks._results import write_result
from fc_assets.evaluation.answers import Answer
from fc_assets.evaluation.bfcl import scores, self_test
from fc_assets.evaluation.bfcl.model import CONVERSATIONS, BfclRow, ModeScores
from fc_assets.profiles import BfclSettings

MODEL = "Qwen-Qwen3-0.6B-FC"  # no underscore: the official command reads one as a slash
SET = "chat_template"
RUNS = 3
_OFFICIAL = """
import sys, types
from types import SimpleNamespace
class AnyModel(dict):
    def __contains__(self, key): return True
    def __missing__(self, key):
        from bfcl_eval.model_handler.local_inference.qwen_fc import QwenFCHandler
        return SimpleNamespace(model_name=key, display_name=key, url="", org="", license="", is_fc_model=True,
                               input_price=None, output_price=None, underscore_to_dot=False,
                               model_handler=QwenFCHandler)
slim = types.ModuleType("bfcl_eval.constants.model_config")
slim.MODEL_CONFIG_MAPPING = AnyModel()
sys.modules[slim.__name__] = slim
from bfcl_eval.eval_checker.eval_runner import main
main([sys.argv[1]], ["single_turn"], None, None)
"""
"""The function behind the official command, with the settings of one model in place of all; the command itself imports
every vendor's SDK, which this environment does not have."""


def main() -> None:
    """Measure and write `results/bfcl_judge.json`."""
    categories = tuple(name for name in BfclSettings().categories if name not in CONVERSATIONS)
    settings = BfclSettings(categories=categories, prompt_modes=("chat_template",))
    python = scores.find_python(settings)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sample = scores.take_sample(settings, python, folder, folder / "log")
        texts = [str(self_test.oracle(row).result) for row in sample.rows]
        answers = [Answer(row.id, text, "stop", 0.0, 1, 1) for row, text in zip(sample.rows, texts, strict=True)]
        own_s, official_s, same = [], [], True
        for run in range(RUNS):
            own, official = folder / f"own-{run}", folder / f"official-{run}"
            started = time.perf_counter()
            judged = _judge(sample.rows, answers, python, own)
            own_s.append(time.perf_counter() - started)
            shutil.copytree(own / "result" / SET, official / "result" / MODEL)
            started = time.perf_counter()
            _run_official(python, official)
            official_s.append(time.perf_counter() - started)
            same &= {score.category: score.correct for score in judged.scores} == _official_counts(official)
    figures = {
        "rows": float(len(answers)),
        "seconds_3641": round(statistics.median(own_s), 2),
        "official_s": round(statistics.median(official_s), 2),
        "vs_official": round(statistics.median(own_s) / statistics.median(official_s), 3),
        "same_verdicts": float(same),
    }
    write_result("bfcl_judge", figures)


def _judge(rows: Sequence[BfclRow], answers: Sequence[Answer], python: Path, root: Path) -> ModeScores:
    root.mkdir()
    attempts = [scores.attempt_of(row, answer) for row, answer in zip(rows, answers, strict=True)]
    return scores.score_modes({SET: attempts}, python, root, root / "log").modes[SET]


def _run_official(python: Path, root: Path) -> None:
    argv = [str(python), "-c", _OFFICIAL, MODEL]
    subprocess.run(argv, env={**os.environ, "BFCL_PROJECT_ROOT": str(root)}, stdout=subprocess.DEVNULL, check=True)


def _official_counts(root: Path) -> dict[str, int]:
    found = {}
    for file in (root / "score" / MODEL).rglob("BFCL_v4_*_score.json"):
        category = file.stem.removeprefix("BFCL_v4_").removesuffix("_score")
        with file.open(encoding="utf-8") as stream:
            found[category] = int(json.loads(stream.readline())["correct_count"])
    return found


if __name__ == "__main__":
    main()
