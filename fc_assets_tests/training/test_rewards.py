"""The reward board: the same rewards as the metrics, judged once a batch, gold rows that cap the policy left out."""

import pytest

from fc_assets.calls.call import Call
from fc_assets.calls.conversations import Turn
from fc_assets.calls.prompts import answer_text
from fc_assets.errors import FcAssetsError
from fc_assets.training.grpo_job import RewardBoard, batch_size, draw_prompts, learnable
from fc_assets.training.plots import fell, loss_curve, reward_curve, trend

WEIGHTS = {"json_parse": 0.25, "schema_hit": 0.25, "simulated_exec": 0.25, "semantic_match": 0.25}
TOOL = {
    "name": "set_timer",
    "description": "Start a timer.",
    "parameters": {"type": "object", "properties": {"minutes": {"type": "integer"}}, "required": ["minutes"]},
}


def turn(turn_id: str, *calls: Call) -> Turn:
    messages = ({"role": "user", "content": "Set a timer for 5 minutes."},)
    return Turn(turn_id, messages, "Set a timer for 5 minutes.", (TOOL,), calls, answer_text(calls) or "No.", {})


FIVE = Call("set_timer", {"minutes": 5})
NINE = Call("set_timer", {"minutes": 9})


def test_each_signal_is_a_function_of_its_own_name() -> None:
    board = RewardBoard({"a": turn("a", FIVE)}, WEIGHTS)
    functions = board.functions()
    assert [function.__name__ for function in functions] == list(WEIGHTS)
    completions = [answer_text([FIVE]), answer_text([NINE]), "no json"]
    values = [function(completions=completions, turn_id=["a"] * 3, prompts=["p"] * 3) for function in functions]
    assert values == [[1, 1, 0], [1, 1, 0], [1, 1, 0], [1, 0, 0]]
    assert [sample["reward"] for sample in board.last] == [1.0, 0.75, 0.0]


def test_the_first_samples_stay_and_the_last_move_on() -> None:
    board = RewardBoard({"a": turn("a", FIVE)}, WEIGHTS)
    judge = board.functions()[0]
    judge(completions=["first"], turn_id=["a"])
    judge(completions=["second"], turn_id=["a"])
    assert board.first[0]["completion"] == "first"
    assert board.last[0]["completion"] == "second"


def test_rows_that_cannot_earn_the_full_reward_are_left_out() -> None:
    wrong_type = turn("wrong", Call("set_timer", {"minutes": "five"}))
    unknown = turn("unknown", Call("no_such_tool", {}))
    rows = [turn("good", FIVE), wrong_type, unknown, turn("refusal")]
    board = RewardBoard({row.id: row for row in rows}, WEIGHTS)
    kept, capped = learnable(board, rows)
    assert [row.id for row in kept] == ["good", "refusal"]
    assert capped == ["wrong", "unknown"]


def test_prompts_are_drawn_with_their_share_of_silence() -> None:
    rows = [turn(f"call {n}", FIVE) for n in range(40)] + [turn(f"none {n}") for n in range(4)]
    drawn = draw_prompts(rows, 30, 0.2, seed=1)
    assert sum(not each.calls for each in drawn) == 6, "four rows that expect no call, two of them again"
    assert len({each.id for each in drawn if each.calls}) == 24
    assert drawn == draw_prompts(rows, 30, 0.2, seed=1) != draw_prompts(rows, 30, 0.2, seed=2)


def test_where_one_kind_of_row_is_missing_the_other_takes_its_place() -> None:
    calling, silent = [turn("call", FIVE)], [turn("none")]
    assert [each.id for each in draw_prompts(calling, 3, 0.5, seed=1)] == ["call"] * 3
    assert [each.id for each in draw_prompts(silent, 3, 0.5, seed=1)] == ["none"] * 3


def test_the_batch_must_divide() -> None:
    settings = {"prompts_per_step": 8, "generations": 8, "gradient_accumulation": 8}
    assert batch_size(settings) == 8
    with pytest.raises(FcAssetsError, match=r"grpo\.gradient_accumulation = 7"):
        batch_size({**settings, "gradient_accumulation": 7})


def test_curves_are_pictures_and_the_trend_compares_quarters() -> None:
    log = [{"step": i, "loss": 9.0 - i, "mean_token_accuracy": i / 9, "reward": i / 9} for i in range(8)]
    for record in log:
        record.update({f"rewards/{name}/mean": 0.5 for name in WEIGHTS})
    for png in (loss_curve(log), reward_curve(log, list(WEIGHTS))):
        assert png.startswith(b"\x89PNG")
        assert len(png) > 5000
    assert trend([1, 1, 5, 5, 5, 5, 3, 3]) == (1, 3)
    assert trend([2.0]) == (2.0, 2.0)


def test_a_fall_is_told_from_noise() -> None:
    noise = [0.7, 0.8, 0.6, 0.75, 0.65, 0.8, 0.7, 0.72] * 2
    assert not fell(noise)
    assert fell([value - 0.04 * step for step, value in enumerate(noise)])
    assert not fell([value + 0.04 * step for step, value in enumerate(noise)])
