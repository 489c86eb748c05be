"""BFCL's step: what each prompt mode may say, and how many rows may stay without an answer."""

import logging
from pathlib import Path
from typing import Any

import pytest

from fc_assets.errors import FcAssetsError
from fc_assets.evaluation.answers import CUT, FAILED
from fc_assets.evaluation.bfcl.evaluate_bfcl import bfcl_result
from fc_assets.evaluation.bfcl.model import BfclReport
from fc_assets.evaluation.inference.evaluate_variant import EvaluationContext
from fc_assets.foundation.artifacts import ArtifactStore
from fc_assets.profiles import load_profile, parse_profile
from fc_assets_tests.support.speaking_engine import SpeakingEngine


def evaluate(home: Path, engine: SpeakingEngine, max_failed_share: float = 0.0, **bfcl: Any) -> BfclReport:
    values = load_profile("demo").model_dump()
    values["bfcl"] |= {"rows_per_category": 4, "categories": ("simple_python", "irrelevance"), **bfcl}
    values["evaluation"]["max_failed_share"] = max_failed_share
    context = EvaluationContext(
        profile=parse_profile(values, "test"),
        store=ArtifactStore(home),
        run_job=None,
        log_file=lambda name: home / f"{name}.log",
        log=logging.getLogger("test"),
    )
    (home / "scratch").mkdir(exist_ok=True)
    with bfcl_result(context, "sft", engine, home / "scratch") as result:
        return result.report


def test_each_prompt_mode_has_its_own_budget_and_a_cut_thought_is_not_silence(checker: None, tmp_path: Path) -> None:
    engine = SpeakingEngine(lambda episode, _: ("<think>I could", CUT) if "irr" in episode else ("No.", "stop"))
    budgets = {"chat_template": 96, "official": 4096}
    report = evaluate(tmp_path, engine, prompt_modes=tuple(budgets), max_tokens=budgets)
    assert engine.budgets == budgets == {mode: each.max_tokens for mode, each in report.modes.items()}
    for mode in report.modes.values():
        shown = {score.category: (score.correct, score.total, score.cut) for score in mode.categories}
        assert shown == {"simple_python": (0, 4, 0), "irrelevance": (0, 4, 4)} and mode.cut == 4
    assert report.self_test == 4 and "web_search_base" in report.not_run and "multiple" in report.not_run


def test_rows_without_an_answer_are_tolerated_up_to_a_share(checker: None, tmp_path: Path) -> None:
    lost = SpeakingEngine(lambda episode, _: ("", FAILED) if episode.startswith("irrelevance") else ("No.", "stop"))
    with pytest.raises(FcAssetsError, match=r"4 of 8 BFCL rows stayed without an answer .*materialise again"):
        evaluate(tmp_path, lost, max_failed_share=0.49)
    (mode,) = evaluate(tmp_path, lost, max_failed_share=0.5).modes.values()
    assert mode.failed == 4 and [(score.category, score.total) for score in mode.categories] == [("simple_python", 4)]
    assert sum(name.startswith("chat_template:simple") for name in lost.asked.elements()) == 4, "the answers are kept"
