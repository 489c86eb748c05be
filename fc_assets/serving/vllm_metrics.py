"""What vLLM's `/metrics` says: its samples by name, and whether it is answering anything.

Fetching the text is the caller's work, and so is what follows from the numbers. Names are those of vLLM 0.30.
"""

from __future__ import annotations

RUNNING = "vllm:num_requests_running"
WAITING = "vllm:num_requests_waiting"
KV_CACHE_USE = "vllm:kv_cache_usage_perc"
GAUGES = (RUNNING, WAITING, KV_CACHE_USE)
"""What changes while a load runs and is gone afterwards; counters keep their sums."""

ALL_OF_VLLM = ("vllm:",)


def parse_metrics(text: str, beginnings: tuple[str, ...] = ALL_OF_VLLM) -> dict[str, float]:
    """vLLM's samples in Prometheus' text format, summed over their labels; histogram buckets are left out.

    Only names with one of these beginnings are read. Raises ValueError for such a line that is no sample.
    """
    from prometheus_client.parser import text_string_to_metric_families  # the definitions load without it

    # Lines are chosen first because parsing is slow beside that: 14 ms for a whole text, 4 ms for vLLM's own metrics
    # without buckets, 0.2 ms for the gauges, which are read while a load is being timed in this very process.
    lines = [line for line in text.splitlines() if line.startswith(beginnings) and "_bucket{" not in line]
    totals: dict[str, float] = {}
    for family in text_string_to_metric_families("\n".join(lines) + "\n"):
        for sample in family.samples:
            totals[sample.name] = totals.get(sample.name, 0.0) + sample.value
    return totals


def is_busy(text: str) -> bool:
    """Whether the server with these metrics has requests under way or waiting."""
    metrics = parse_metrics(text, GAUGES)
    return metrics.get(RUNNING, 0.0) > 0 or metrics.get(WAITING, 0.0) > 0
