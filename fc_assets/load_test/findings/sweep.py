"""A row of the sweep over server settings: what was set, how fast it was, and what its tool calls were worth.

Which settings are tried is in `sweep_job`, what is recommended of them in `recommendation`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fc_assets.load_test.matrix.tables import CellRow, Rows
from fc_assets.profiles import ServerSettings

SWEPT = ("max_num_seqs", "max_num_batched_tokens", "prefix_caching", "ngram_tokens")

_OF_TOOLS = {
    "tool_calls_per_s": "requests_per_s",
    "tool_calls_e2e_p50_s": "e2e_p50_s",
    "valid_call_share": "valid_call_share",
    "as_idle_share": "as_idle_share",
}
_OF_SESSIONS = {"sessions_ttft_p50_s": "ttft_p50_s", "sessions_prefix_cache_hit_rate": "prefix_cache_hit_rate"}


def sweep_row(server: ServerSettings, extra: str, cells: Sequence[CellRow]) -> dict[str, Any]:
    """The swept settings, the figures of the closed cell, and under names of their own those of the tool-call loads.

    `extra` says what was changed beside the pair of sizes, empty where nothing was. What was not measured is None.
    """
    by_kind = {cell["kind"]: cell for cell in cells}
    closed, tools, sessions = by_kind["closed"], by_kind.get("tools-free", {}), by_kind.get("sessions", {})
    return {
        **{name: getattr(server, name) for name in SWEPT},
        "extra": extra,
        **closed,
        **{name: tools.get(figure) for name, figure in _OF_TOOLS.items()},
        **{name: sessions.get(figure) for name, figure in _OF_SESSIONS.items()},
    }


def pairs_of(sweep: Rows) -> list[CellRow]:
    """The rows in which nothing but the pair of sizes was tried."""
    return [row for row in sweep if not row.get("extra")]


def compared_with_the_pair(sweep: Rows) -> list[str]:
    """A sentence for each further setting: its tool calls beside those of the same pair without it."""
    sentences = []
    for row in [row for row in sweep if row.get("extra")]:
        plain = next((each for each in pairs_of(sweep) if _sizes(each) == _sizes(row)), None)
        if plain is not None and row["tool_calls_per_s"] and plain["tool_calls_per_s"]:
            sentences.append(
                f"{row['extra']}: {row['tool_calls_per_s']:.2f} tool calls/s "
                f"({plain['tool_calls_per_s']:.2f} without), {row['valid_call_share']:.0%} valid "
                f"({plain['valid_call_share']:.0%} without)" + _first_tokens(row, plain)
            )
    return sentences


def _first_tokens(row: Mapping[str, Any], plain: Mapping[str, Any]) -> str:
    if row["sessions_ttft_p50_s"] is None or plain["sessions_ttft_p50_s"] is None:
        return ""
    return (
        f", TTFT P50 in sessions {row['sessions_ttft_p50_s'] * 1e3:.0f} ms "
        f"({plain['sessions_ttft_p50_s'] * 1e3:.0f} ms without)"
    )


def _sizes(row: CellRow) -> tuple[int, int]:
    return int(row["max_num_seqs"]), int(row["max_num_batched_tokens"])
