"""`fc-assets compare RUN_A RUN_B`: whether B is slower than A, cell by cell, with an exit status for CI.

The command line is parsed in `cli`; the arithmetic is in `findings.regression`.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict

from fc_assets.foundation.presentation.terminal import console, text_table
from fc_assets.load_test.commands.server import say
from fc_assets.load_test.findings.regression import latency_ratios, slower_cells
from fc_assets.load_test.findings.repeats import runs_in
from fc_assets.load_test.matrix.tables import read_record
from fc_assets.profiles.provenance import differences

SLOWER = 4
"""The exit status where a cell is slower by more than the margin beyond doubt."""


def compare(options: argparse.Namespace) -> int:
    """Print each cell's ratio of median latencies, B by A, with its interval; the exit status."""
    then, now = runs_in(options.run_a), runs_in(options.run_b)
    for line in differences(read_record(then[0]).conditions, read_record(now[0]).conditions):
        say(f"measured under other conditions: {line} (A, B)")
    ratios = latency_ratios(now, then, seed=options.seed)
    worse = {ratio.cell for ratio in slower_cells(ratios, options.margin)}
    rows = [{**asdict(ratio), "slower": "slower" if ratio.cell in worse else ""} for ratio in ratios]
    console().print(text_table(rows, list(rows[0])))
    print(f"{len(worse)} of {len(ratios)} cells are slower in B by more than {options.margin:.0%}")
    return SLOWER if worse else 0
