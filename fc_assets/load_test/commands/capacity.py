"""`fc-assets capacity`: the highest load that a running server takes for an SLO, and every load that was tried.

The command line is parsed in `cli`; the search is in `capacity`.
"""

from __future__ import annotations

import argparse

import uvloop

from fc_assets.foundation.json_files import write_json
from fc_assets.foundation.presentation.terminal import console, text_table
from fc_assets.load_test.capacity.probes import measure_capacities
from fc_assets.load_test.capacity.search import TriedLoad
from fc_assets.load_test.commands.server import connect_to, say
from fc_assets.load_test.findings import plots
from fc_assets.names import CAPACITY, CAPACITY_PLOT
from fc_assets.profiles import BenchmarkSettings, ServiceLevel

NO_LOAD_MET_THE_SLO = 3
"""The exit status where no load met the SLO."""


def capacity(options: argparse.Namespace) -> int:
    """Search the closed and the open capacity and print them with their evidence; the exit status."""
    settings = BenchmarkSettings(
        output_tokens=options.output_tokens,
        output_spread=options.output_spread,
        requests_per_cell=options.requests,
        capacity_seconds=options.seconds,
        slo=ServiceLevel(ttft_p95_s=options.ttft, tpot_p95_s=options.tpot, at_concurrency=1),
    )
    found = uvloop.run(
        measure_capacities(
            connect_to(options),
            settings,
            context_length=options.context_length,
            kinds=("closed", "open"),
            progress=say,
        )
    )
    searches = [search for search in (found.closed, found.open) if search]
    tried = [
        {"load": search.kind, **load.model_dump()}
        for search in searches
        for load in sorted(search.probes, key=lambda load: load.level)
    ]
    console().print(text_table(tried, ["load", *TriedLoad.model_fields]))
    for search in searches:
        print(f"{search.kind}: {search.describe()}")
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        write_json(options.out / CAPACITY, found.model_dump(mode="json"))
        plots.capacity_curve(found, options.out / CAPACITY_PLOT)
    return 0 if all(search.level for search in searches) else NO_LOAD_MET_THE_SLO
