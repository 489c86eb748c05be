"""A step's rows are split into as few passes as the budget allows, each row in one of them, with little padding."""

from hypothesis import given
from hypothesis import strategies as st

from fc_assets.training.sft.micro_batches import micro_batches

LENGTHS = st.lists(st.integers(1, 2048), min_size=1, max_size=20)


def padded(lengths: list[int], group: list[int]) -> int:
    return len(group) * max(lengths[row] for row in group)


@given(LENGTHS, st.integers(1, 9000), st.integers(1, 6))
def test_each_row_is_in_one_pass_and_each_pass_fits(lengths: list[int], budget: int, at_least: int) -> None:
    groups = micro_batches(lengths, budget, at_least)
    assert sorted(row for group in groups for row in group) == list(range(len(lengths)))
    assert all(len(group) == 1 or padded(lengths, group) <= budget for group in groups)
    assert len(groups) >= min(at_least, len(lengths))


@given(LENGTHS, st.integers(1, 9000))
def test_there_are_as_few_as_can_be(lengths: list[int], budget: int) -> None:
    """Filling from the longest row on gives the fewest."""
    fewest, taken, longest = 0, 0, 0
    for length in sorted(lengths, reverse=True):
        if not taken or (taken + 1) * longest > budget:
            fewest, taken, longest = fewest + 1, 0, length
        taken += 1
    assert len(micro_batches(lengths, budget)) == fewest


def test_rows_that_fit_together_stay_as_they_are() -> None:
    assert micro_batches([5, 9, 7], 27) == [[0, 1, 2]]
    assert micro_batches([5, 9, 7], 26) == [[1], [0, 2]]


def test_a_row_longer_than_the_budget_has_a_pass_of_its_own() -> None:
    assert micro_batches([10, 3000, 12], 1000) == [[1], [0, 2]]


def test_of_equally_many_passes_those_with_the_least_padding() -> None:
    assert micro_batches([100, 100, 20, 20, 20], 300) == [[0, 1], [2, 3, 4]], "no padding at all"


def test_each_process_can_make_as_many_passes_as_another() -> None:
    assert [len(micro_batches([9, 8, 7, 6], 1000, number)) for number in (1, 2, 3, 4, 9)] == [1, 2, 3, 4, 4]
