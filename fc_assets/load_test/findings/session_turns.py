"""How time to first token grows, or does not, over the requests of a session: a row for each cell and turn.

Reads the rows of requests that a matrix keeps. How sessions are made is in `load.sessions`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fc_assets.load_test.load.request_statistics import percentiles
from fc_assets.load_test.load.steady_state import RequestRows
from fc_assets.load_test.matrix.tables import CellRow


def session_turns(cells: Sequence[CellRow], requests: RequestRows, seed: int) -> list[dict[str, Any]]:
    """For each cell of sessions and each turn, from 1: its measured `requests` that got an answer, their mean
    `prompt_tokens`, and P50 and P95 of TTFT in milliseconds with 95 % bootstrap intervals.

    `prefix_cache_hit_rate` is the whole cell's: vLLM counts hits for all requests together.
    """
    found = []
    for cell in [each for each in cells if each["kind"] == "sessions"]:
        mine = [row for row in requests if row["cell"] == cell["cell"] and row["phase"] == "measured"]
        answered = [row for row in mine if not row["failure"] and row["arrivals_s"]]
        for turn in sorted({row["turn"] for row in answered}):
            rows = [row for row in answered if row["turn"] == turn]
            waits = np.array([row["arrivals_s"][0] - row["intended_s"] for row in rows])
            figures = percentiles(waits * 1e3, np.random.default_rng(seed))
            found.append(
                {
                    "cell": cell["cell"],
                    "turn": turn + 1,
                    "requests": len(rows),
                    "prompt_tokens": float(np.mean([row["prompt_tokens"] for row in rows])),
                    **{
                        f"TTFT P{share} ms{end}": getattr(figures[share], field)
                        for share in (50, 95)
                        for end, field in (("", "value"), (" low", "low"), (" high", "high"))
                    },
                    "prefix_cache_hit_rate": cell["prefix_cache_hit_rate"],
                }
            )
    return found
