"""What is asked for: answers of different lengths, with exactly the mean that was wanted."""

import numpy as np
import orjson
import pytest

from fc_assets.load_test.load.workload import answer_lengths, token_prompts


@pytest.mark.parametrize(("mean", "spread", "count"), [(128, 0.5, 64), (16, 0.5, 25), (2, 0.9, 7), (5, 0.0, 4)])
def test_answers_differ_and_any_round_of_them_has_the_exact_mean(mean: int, spread: float, count: int) -> None:
    lengths = answer_lengths(mean, spread, count, seed=3)
    assert len(lengths) == count
    assert min(lengths) >= max(1, mean * (1 - spread))
    assert max(lengths) <= mean * (1 + spread)
    for start in range(count):
        assert np.mean(np.roll(lengths, start)[:count]) == mean


def test_the_spread_is_even_and_its_order_seeded() -> None:
    lengths = answer_lengths(128, 0.5, 65, seed=1)
    assert sorted(lengths)[::16] == [64, 96, 128, 160, 192]
    assert lengths == answer_lengths(128, 0.5, 65, seed=1)
    assert lengths != answer_lengths(128, 0.5, 65, seed=2)
    assert set(answer_lengths(128, 0.0, 65, seed=1)) == {128}


def test_each_request_asks_for_its_own_length() -> None:
    make = token_prompts("m", 4, (3, 5), seed=1)
    requests = [make(index) for index in range(3)]
    assert [orjson.loads(each.body)["max_tokens"] for each in requests] == [3, 5, 3]
    assert [each.output_tokens for each in requests] == [3, 5, 3]
