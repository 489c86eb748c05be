"""What vLLM's `/metrics` says: its samples by name, and whether it is answering anything.

Fetching the text is the caller's work, and so is what follows from the numbers. Names are those of vLLM 0.32.
"""

from __future__ import annotations

RUNNING = "vllm:num_requests_running"
WAITING = "vllm:num_requests_waiting"


def parse_metrics(text: str) -> dict[str, float]:
    """vLLM's samples in Prometheus' text format, summed over their labels; histogram buckets are left out.

    Raises ValueError for a line of vLLM's that is no sample.
    """
    from prometheus_client.parser import text_string_to_metric_families  # the definitions load without it

    # This runs during a load, in the process that times it. The buckets and the HTTP server's own metrics are most of
    # the text and wanted by nobody: parsing them as well took 20 ms instead of one.
    lines = [line for line in text.splitlines() if line.startswith("vllm:") and "_bucket{" not in line]
    totals: dict[str, float] = {}
    for family in text_string_to_metric_families("\n".join(lines) + "\n"):
        for sample in family.samples:
            totals[sample.name] = totals.get(sample.name, 0.0) + sample.value
    return totals


def is_busy(text: str) -> bool:
    """Whether the server with these metrics has requests under way or waiting."""
    metrics = parse_metrics(text)
    return metrics.get(RUNNING, 0.0) > 0 or metrics.get(WAITING, 0.0) > 0
