"""Episodes compared: hand counts, paired tests, and gates that are seen red."""

from __future__ import annotations

import pytest

from fc_assets.evaluation.checks import episode_gates
from fc_assets.evaluation.episodes.comparison import build_episode_report, sections
from fc_assets.evaluation.episodes.gate import keeps_episodes, succeeds_in_episodes
from fc_assets.evaluation.episodes.model import EpisodeReport
from fc_assets.evaluation.episodes.scores import EpisodeScore
from fc_assets_tests.support.episodes import EPISODES

RIGHT = EpisodeScore(success=1, turns_right=2, turns=2, calls_wasted=0, calls_made=2, asked=1, should_ask=1)
WRONG = EpisodeScore(success=0, turns_right=1, turns=2, calls_wasted=3, calls_made=4, asked=0, should_ask=1)


def report(base: int, sft: int, failed: int = 0) -> EpisodeReport:
    """Of 40 episodes so many succeeded; the first ones of sft never ended."""
    scores: dict[str, list[EpisodeScore | None]] = {
        name: [RIGHT] * right + [WRONG] * (len(EPISODES) - right) for name, right in (("base", base), ("sft", sft))
    }
    scores["sft"][:failed] = [None] * failed
    return build_episode_report(EPISODES, scores, 200, 1)


def test_values_are_those_of_a_hand_count() -> None:
    found = report(10, 30)
    metrics = found.variants["base"].metrics
    assert {name: each.value for name, each in metrics.items()} == {
        "success": 10 / 40,
        "asks_when_needed": 10 / 40,
        "turn_exact": (10 * 2 + 30) / 80,
        "wasted_calls": 30 * 3 / (10 * 2 + 30 * 4),
    }
    for each in metrics.values():
        assert each.low < each.value < each.high
    strata = found.variants["sft"].strata
    assert strata["English"].rows + strata["Chinese"].rows == 40
    (test,) = found.tests
    assert (test.first, test.second, test.difference, test.only_first, test.only_second) == ("base", "sft", 0.5, 0, 20)
    assert test.p_holm == pytest.approx(2 * 0.5**20)


def test_episodes_without_an_answer_are_left_out_and_counted() -> None:
    found = report(10, 30, failed=10)
    assert (found.variants["sft"].failed, found.variants["sft"].metrics["success"].rows) == (10, 30)
    assert found.tests[0].pairs == 30


@pytest.mark.parametrize(("base", "sft", "passed"), [(10, 10, True), (20, 18, True), (20, 17, False), (40, 0, False)])
def test_a_variant_that_lost_its_conversations_is_stopped(base: int, sft: int, passed: bool) -> None:
    verdict = keeps_episodes(report(base, sft), "sft", "base", 0.05)
    assert verdict.passed is passed
    assert "may be lost" in verdict.sentence


def test_a_base_without_any_success_makes_no_gate_vacuous() -> None:
    never = report(0, 0)
    assert keeps_episodes(never, "sft", "base", 0.05).passed
    assert not succeeds_in_episodes(never, "sft", 0.2).passed
    assert succeeds_in_episodes(report(0, 8), "sft", 0.2).passed


def test_nothing_played_passes_no_gate() -> None:
    for verdict in (keeps_episodes(None, "sft", "base", 1.0), succeeds_in_episodes(None, "sft", 0.0)):
        assert not verdict.passed and "No episode was played" in verdict.sentence


def test_the_gates_block_or_warn_as_the_profile_says() -> None:
    variants = ("base", "sft", "grpo", "dpo")
    blocking = {gate.name: gate.blocking for gate in episode_gates(variants, blocking=True)}
    assert blocking == {
        f"{variant}_{gate}": variant != "dpo"
        for variant in ("sft", "grpo", "dpo")
        for gate in ("keeps_episodes", "succeeds_in_episodes")
    }
    assert not any(gate.blocking for gate in episode_gates(variants, blocking=False))


def test_the_tables_for_people() -> None:
    (_, rows), (_, tests) = sections(report(10, 30)).values()
    assert [row["model"] for row in rows] == ["Base", "SFT"]
    assert str(rows[0]["success"]).startswith("0.250 [")
    assert tests[0]["test"] == "exact McNemar"
