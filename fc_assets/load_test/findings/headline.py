"""The few figures of a matrix that the page shows: a line for each cell, and the numbers to follow over time."""

from __future__ import annotations

from fc_assets.load_test.matrix.tables import CellRow, Rows
from fc_assets.profiles import ServiceLevel

_MILLISECONDS = {
    "TTFT P50 ms": "ttft_p50_s",
    "TTFT P95 ms": "ttft_p95_s",
    "TPOT P95 ms": "tpot_p95_s",
    "E2E P50 ms": "e2e_p50_s",
    "E2E P95 ms": "e2e_p95_s",
}
_RATES = {
    "requests/s": "requests_per_s",
    "output tokens/s": "output_tokens_per_s",
    "goodput/s": "goodput_per_s",
    "tool-call goodput/s": "tool_call_goodput_per_s",
}

_SHARES = {
    "valid calls": "valid_call_share",
    "valid when idle": "valid_call_share_idle",
    "as when idle": "as_idle_share",
    "cut under load": "cut_under_load_share",
    "prefix-cache hits": "prefix_cache_hit_rate",
    "slots kept": "slots_kept",
}
_GPU = {
    "GPU use": "gpu_use",
    "GPU MB": "gpu_memory_peak_mb",
    "GPU W": "gpu_power_w",
    "J/output token": "gpu_j_per_output_token",
}


def headline(row: CellRow) -> dict[str, object]:
    """One cell as the page shows it: times in milliseconds, rounded to a tenth."""
    return {
        "cell": row["cell"],
        **{title: round(float(row[name]) * 1e3, 1) for title, name in _MILLISECONDS.items()},
        **{title: round(float(row[name]), 1) for title, name in _RATES.items() if row.get(name) is not None},
        **{title: round(float(row[name]), 3) for title, name in _SHARES.items() if row.get(name) is not None},
        **{title: round(float(row[name]), 2) for title, name in _GPU.items() if row.get(name) is not None},
        "within 5 ms": _rounded(row.get("sent_within_5ms_share")),
        "send CV": _rounded(row.get("send_gap_cv")),
        "steady": _rounded(row.get("steady_share")),
        "marched": bool(row.get("marched")),
        "cancelled": int(row.get("cancelled") or 0),
        "failed": round(float(row["error_rate"]), 4),
        "client-limited": bool(row["client_limited"]),
    }


def answers_differ(row: CellRow, least: float) -> bool:
    """Whether a cell's answers were compared with the idle server's, and fewer than the share `least` are the same."""
    if row.get("idle_compared") is None:
        return False
    return row["as_idle_share"] is None or bool(row["as_idle_share"] < least)


def conversation_shares(rows: Rows) -> list[dict[str, object]]:
    """The shares that belong to loads of conversations and of cancelled requests, a line for each such cell."""
    asked = [row for row in rows if row.get("idle_compared") is not None or row["kind"] == "cancelled"]
    return [
        {"cell": row["cell"], **{title: _rounded(row.get(name)) for title, name in _SHARES.items()}} for row in asked
    ]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def at_slo(rows: Rows, slo: ServiceLevel) -> dict[str, float]:
    """The headline numbers: the worst latencies at the SLO's concurrency, the best throughput, the errors.

    Without a cell at that concurrency the latencies are left out.
    """
    closed = [row for row in rows if row["kind"] == "closed"]
    promised = [row for row in closed if row["concurrency"] == slo.at_concurrency]
    numbers = {
        "output_tokens_per_s": max(float(row["output_tokens_per_s"]) for row in closed),
        "goodput_per_s": max(float(row["goodput_per_s"]) for row in closed),
        "error_rate": max(float(row["error_rate"]) for row in rows),
    }
    if promised:
        numbers["ttft_p95_s"] = max(float(row["ttft_p95_s"]) for row in promised)
        numbers["tpot_p95_s"] = max(float(row["tpot_p95_s"]) for row in promised)
    return numbers
