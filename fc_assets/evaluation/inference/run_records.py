"""How asking went, apart from what was answered: latencies, the engine's start, the host. Kept beside an artefact.

None of it is in an artefact's digest, since no two runs take equally long. What was answered is in `predictions`.
"""

from __future__ import annotations

import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from fc_assets.evaluation.answers import TOO_LONG, Answer
from fc_assets.foundation.json_files import write_json
from fc_assets.names import RUN_COST, TIMINGS


@dataclass(frozen=True, slots=True)
class AskingCost:
    """What a set of answers took, in seconds. None where nothing was answered, or no server was started here."""

    host: str
    server_start_s: float | None
    latency_p50_s: float | None
    latency_p95_s: float | None


def asking_cost(server_start_s: float | None, answers: Sequence[Answer]) -> AskingCost:
    """The cost of these answers; those that failed or did not fit the model are not among the latencies."""
    timed = sorted(
        answer.latency_s
        for answer in answers
        if answer.latency_s is not None and not answer.failed and answer.finish_reason != TOO_LONG
    )
    return AskingCost(platform.node(), server_start_s, _percentile(timed, 50), _percentile(timed, 95))


def write_run_records(folder: Path, cost: AskingCost, answers: Sequence[Answer]) -> None:
    """Write the cost, and how long each answer took."""
    write_json(folder / RUN_COST, asdict(cost))
    write_timings(answers, folder / TIMINGS)


def write_timings(answers: Sequence[Answer], file: Path) -> None:
    """Write how long each answer took as Parquet: `id` and `latency_s`."""
    import pyarrow as pa
    import pyarrow.parquet

    columns = {"id": [answer.id for answer in answers], "latency_s": [answer.latency_s for answer in answers]}
    schema = pa.schema([("id", pa.string()), ("latency_s", pa.float64())])
    pa.parquet.write_table(pa.table(columns, schema=schema), file)


def _percentile(ordered: Sequence[float], percent: int) -> float | None:
    if not ordered:
        return None
    return ordered[0] if len(ordered) == 1 else statistics.quantiles(ordered, n=100, method="inclusive")[percent - 1]
