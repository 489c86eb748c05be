"""The reward functions: the same rewards as the metrics, judged once a batch, one function for each signal."""

import json

from fc_assets.calls.call import Call
from fc_assets.calls.prompts import answer_text
from fc_assets.training.grpo.reward_functions import RewardFunctions
from fc_assets_tests.training.conftest import FIVE_MINUTES, SIGNAL_WEIGHTS, timer_turn

NINE_MINUTES = Call("set_timer", {"minutes": 9})


def test_each_signal_is_a_function_of_its_own_name() -> None:
    rewards = RewardFunctions([timer_turn("a", FIVE_MINUTES)], SIGNAL_WEIGHTS)
    functions = rewards.functions
    assert [function.__name__ for function in functions] == list(SIGNAL_WEIGHTS)
    completions = [answer_text([FIVE_MINUTES]), answer_text([NINE_MINUTES]), "no json"]
    values = [function(completions=completions, turn_id=["a"] * 3, prompts=["p"] * 3) for function in functions]
    assert values == [[1, 1, 0], [1, 1, 0], [1, 1, 0], [1, 0, 0]]
    assert [sample.reward for sample in rewards.last_samples] == [1.0, 0.75, 0.0]


def test_the_first_samples_stay_and_the_last_move_on() -> None:
    rewards = RewardFunctions([timer_turn("a", FIVE_MINUTES)], SIGNAL_WEIGHTS)
    judge = rewards.functions[0]
    judge(completions=["first"], turn_id=["a"])
    judge(completions=["second"], turn_id=["a"])
    assert rewards.first_samples[0].completion == "first"
    assert rewards.last_samples[0].completion == "second"


def test_samples_survive_in_a_checkpoint() -> None:
    """An attempt that resumes sees neither the first batch nor, where all steps are done, the last."""
    killed = RewardFunctions([timer_turn("a", FIVE_MINUTES)], SIGNAL_WEIGHTS)
    for text in ("first", "second"):
        killed.functions[0](completions=[text], turn_id=["a"])
    resumed = RewardFunctions([timer_turn("a", FIVE_MINUTES)], SIGNAL_WEIGHTS)
    resumed.restore_samples(json.loads(json.dumps(killed.samples())))
    assert (resumed.first_samples, resumed.last_samples) == (killed.first_samples, killed.last_samples)
    resumed.functions[0](completions=["third"], turn_id=["a"])
    assert [sample.completion for sample in resumed.first_samples + resumed.last_samples] == ["first", "third"]
