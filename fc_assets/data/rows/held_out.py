"""The flags of rows for a user's own tools, and which of them must stay out of training.

Who sets them is `own_tools.rows`; `splits` keeps the held-out rows for validation, the report shows each as a stratum.
"""

from __future__ import annotations

from collections.abc import Iterable

FLAG_OWN_TOOLS = "own_tools"
FLAG_HELD_OUT_TEMPLATE = "held_out_template"
"""Phrased as no training row is, for tools that training has seen."""
FLAG_HELD_OUT_TOOL = "held_out_tool"
"""About tools that no training row offers."""
_HELD_OUT = frozenset((FLAG_HELD_OUT_TEMPLATE, FLAG_HELD_OUT_TOOL))


def is_held_out(flags: Iterable[str]) -> bool:
    """Whether a row with these flags is for validation only."""
    return not _HELD_OUT.isdisjoint(flags)
