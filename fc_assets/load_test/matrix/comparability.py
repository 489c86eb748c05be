"""What two measurements must have in common to be compared, and what a kept cell may be used for again.

Standard library only at its head: the definitions import it.
"""

from __future__ import annotations

import os
import platform

from fc_assets.profiles import BenchmarkSettings, ServerSettings

_NOT_THE_LOAD = {
    # Which cells there are does not change what one of them measures; nor do schedules, limits and the sweep.
    "mode",
    "concurrency",
    "context_lengths",
    "quick_concurrency",
    "quick_context_lengths",
    "request_rates",
    "session_reuse",
    "min_as_idle",
    "sweep_max_num_seqs",
    "sweep_max_num_batched_tokens",
    "sweep_no_prefix_caching",
    "sweep_ngram_tokens",
    "regression_margin",
    "quick_cron",
    "full_cron",
    "schedules_on",
    "timezone",
}
_NOT_THE_SERVER = {"port", "start_timeout_s"}


def measurement_conditions(server: ServerSettings, benchmark: BenchmarkSettings) -> dict[str, object]:
    """Server, load and machine with its cards; the model is left out, since models are what one compares."""
    from fc_assets.load_test.server_side.machine import gpu_names

    return {
        "server": server.model_dump(mode="json", exclude=_NOT_THE_SERVER),
        "load": benchmark.model_dump(mode="json", exclude=_NOT_THE_LOAD),
        "machine": {
            "node": platform.node(),
            "architecture": platform.machine(),
            "cores": os.cpu_count(),
            "gpus": gpu_names(),
        },
    }
