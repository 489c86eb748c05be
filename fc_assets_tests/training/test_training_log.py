"""What a log says: columns as far as they are there, means of quarters, and a fall told from noise."""

from fc_assets.training.training_log import columns, fell_beyond_chance, quarter_means, reward_column, running_mean


def test_the_trend_compares_quarters() -> None:
    assert quarter_means([1, 1, 5, 5, 5, 5, 3, 3]) == (1, 3)
    assert quarter_means([2.0]) == (2.0, 2.0)


def test_a_fall_is_told_from_noise() -> None:
    noise = [0.7, 0.8, 0.6, 0.75, 0.65, 0.8, 0.7, 0.72] * 2
    assert not fell_beyond_chance(noise)
    assert fell_beyond_chance([value - 0.04 * step for step, value in enumerate(noise)])
    assert not fell_beyond_chance([value + 0.04 * step for step, value in enumerate(noise)])


def test_a_running_mean_begins_with_fewer_values() -> None:
    assert running_mean([1, 3, 5, 7], window=2) == [1, 2, 4, 6]
    assert running_mean([], window=2) == []


def test_columns_that_a_record_lacks_are_left_out() -> None:
    log = [{"step": 1, "loss": 2.5, reward_column("json_parse"): 0.5}, {"step": 2}]
    assert columns(log, ["step", reward_column("json_parse")]) == [{"step": 1, "rewards/json_parse": 0.5}, {"step": 2}]
