"""Rows of matrices whose answer can be read off."""

from fc_assets.profiles import ServiceLevel

SLO = ServiceLevel(ttft_p95_s=1.0, tpot_p95_s=0.05, at_concurrency=4)


def cell(context: int, level: int, *, ttft: float = 0.1, rate: float = 1.0, e2e: float = 1.0, **more: float) -> dict:
    return {
        "kind": "closed",
        "context_length": context,
        "concurrency": level,
        "ttft_p95_s": ttft,
        "tpot_p95_s": 0.01,
        "error_rate": 0.0,
        "requests_per_s": rate,
        "e2e_p50_s": e2e,
        **more,
    }


def saturating(context: int, limit: int = 4) -> list[dict]:
    """Throughput grows up to `limit` under way and then no more; latency follows by Little's law."""
    levels = (1, 2, 4, 8, 16)
    return [cell(context, n, rate=float(min(n, limit)), e2e=n / min(n, limit), ttft=0.3 * n / 4) for n in levels]
