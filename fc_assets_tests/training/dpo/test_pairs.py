"""Which completions become a pair: the best against the worst, where they differ, and never one that was cut."""

from pathlib import Path

import pytest

from fc_assets.calls.call import Call
from fc_assets.calls.prompts import answer_text
from fc_assets.errors import FcAssetsError
from fc_assets.profiles import DpoSettings
from fc_assets.training.dpo.pairs import DrawnCompletion, PreferencePair, choose_pair, read_pairs, write_pairs
from fc_assets_tests.training.conftest import FIVE_MINUTES, SIGNAL_WEIGHTS, timer_turn

TURN = timer_turn("timer", FIVE_MINUTES)
RIGHT = answer_text([FIVE_MINUTES])
WRONG_MINUTES = answer_text([Call("set_timer", {"minutes": 9})])
NO_CALL = "I cannot do that."


def pair_of(*texts: str, cut: str = "", **settings: object) -> PreferencePair | None:
    """The pair of a group of these texts, one of which was cut."""
    group = [DrawnCompletion(text, cut=text == cut) for text in texts]
    return choose_pair(TURN, group, SIGNAL_WEIGHTS, DpoSettings.model_validate(settings))


def test_the_best_is_preferred_to_the_worst() -> None:
    pair = pair_of(WRONG_MINUTES, RIGHT, NO_CALL, RIGHT)
    assert pair == PreferencePair("timer", TURN.query, RIGHT, NO_CALL, 1.0, 0.0, expected=False)


def test_a_group_without_a_difference_gives_no_pair() -> None:
    assert pair_of(RIGHT, RIGHT) is None
    assert pair_of(RIGHT, f" {RIGHT}") is None, "another text of the same reward"


@pytest.mark.parametrize(("least", "found"), [(0.25, True), (0.26, False)])
def test_the_difference_must_reach_the_margin(least: float, found: bool) -> None:
    assert (pair_of(RIGHT, WRONG_MINUTES, min_margin=least) is not None) is found


def test_among_equals_the_better_is_the_shortest_and_the_worse_as_long_as_it() -> None:
    longer = f"Sure.\n{RIGHT}"
    near, far = "x" * (len(RIGHT) + 3), "x" * 9
    pair = pair_of(longer, far, RIGHT, near)
    assert pair and (pair.best, pair.worst) == (RIGHT, near)


def test_the_expected_answer_stands_in_where_no_sample_earns_the_full_reward() -> None:
    pair = pair_of(WRONG_MINUTES, NO_CALL)
    assert pair and pair.expected and (pair.best, pair.best_reward, pair.worst) == (TURN.answer, 1.0, NO_CALL)
    sampled = pair_of(WRONG_MINUTES, NO_CALL, expected_as_best=False)
    assert sampled and not sampled.expected and (sampled.best, sampled.best_reward) == (WRONG_MINUTES, 0.75)
    alike = pair_of(NO_CALL, NO_CALL)
    assert alike and alike.expected, "all of them are equally wrong: there is one to learn"


def test_a_completion_that_was_cut_takes_no_part() -> None:
    assert pair_of(RIGHT, NO_CALL, cut=NO_CALL) is None
    pair = pair_of(RIGHT, NO_CALL, cut=RIGHT)
    assert pair and pair.expected
    assert pair_of(NO_CALL, cut=NO_CALL) is None


def test_pairs_survive_their_file(tmp_path: Path) -> None:
    pairs = [PreferencePair("a", "q", "b", "w", 1.0, 0.25, True), PreferencePair("ä", "q", "", "w", 0.5, 0.0, False)]
    write_pairs(pairs, tmp_path / "pairs.parquet")
    assert read_pairs(tmp_path / "pairs.parquet") == pairs
    (tmp_path / "other").write_text("no pairs")
    with pytest.raises(FcAssetsError, match="is no file of pairs"):
        read_pairs(tmp_path / "other")
