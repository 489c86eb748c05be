"""How the rows of one step are split into passes that fit in memory: plain lists of lengths, no tensors.

Memory and time of a pass depend on its padded tokens, not on its rows. Grouping rows of similar length *within* a step
saves the padding and leaves the step what it is, a random draw; grouping over the whole data set would make steps of
short and steps of long rows. Carrying the passes out is `sft_trainer`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence


def micro_batches(lengths: Sequence[int], budget: int, at_least: int = 1) -> list[list[int]]:
    """Indices of `lengths` (tokens of each row) in groups, those with the longest rows first.

    A group of n rows takes n x its longest row in padded tokens, which is at most `budget`, or is a single row. There
    are as few groups as that allows, but `at_least` so many where there are so many rows (each process must make
    equally many passes); among the ways to do that, the one with the least padding. Within a group the rows keep their
    order, so that rows that fit together are one group, unchanged.
    """
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    ends = range(1, len(order) + 1)
    # cheapest[end]: padded tokens of the first `end` rows in as many groups as rounds so far, and where the last begins
    rounds: list[list[tuple[float, int]]] = [[(0.0, 0), *((math.inf, 0) for _ in ends)]]
    while len(rounds) - 1 < len(order) and not (len(rounds) > at_least and math.isfinite(rounds[-1][-1][0])):
        before = rounds[-1]
        rounds.append([(math.inf, 0)])
        for end in ends:
            costs = (
                (before[begin][0] + _padded(end - begin, lengths[order[begin]], budget), begin) for begin in range(end)
            )
            rounds[-1].append(min(costs))
    groups: list[list[int]] = []
    end = len(order)
    for cheapest in reversed(rounds[1:]):
        begin = cheapest[end][1]
        groups.append(sorted(order[begin:end]))
        end = begin
    return groups[::-1]


def _padded(rows: int, longest: int, budget: int) -> float:
    """Padded tokens of a group; infinite where it does not fit."""
    return rows * longest if rows == 1 or rows * longest <= budget else math.inf
