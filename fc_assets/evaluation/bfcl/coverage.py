"""Which categories of the installed leaderboard are asked, and why the others are not."""

from __future__ import annotations

from collections.abc import Collection

from fc_assets.evaluation.bfcl.model import IRRELEVANCE, LIVE, MEMORY, MULTI_TURN, NON_LIVE, RELEVANCE

RUNNABLE = (*NON_LIVE, *LIVE, *IRRELEVANCE, RELEVANCE, *MULTI_TURN, *MEMORY)
"""The categories that need neither the network nor a model beside the one that is asked."""

_NETWORK = "needs the network"
_OUT_OF_REACH = {
    "web_search_base": f"{_NETWORK}: a search engine's service, with a key",
    "web_search_no_snippet": f"{_NETWORK}: a search engine's service, with a key",
    "memory_vector": f"{_NETWORK}: a sentence-embedding model from a hub",
    "format_sensitivity": "the leaderboard itself asks it of models without function calling only",
    "rest": f"{_NETWORK}; retired by the leaderboard",
    "exec_simple": f"{_NETWORK}; retired by the leaderboard",
    "exec_multiple": f"{_NETWORK}; retired by the leaderboard",
    "exec_parallel": f"{_NETWORK}; retired by the leaderboard",
    "exec_parallel_multiple": f"{_NETWORK}; retired by the leaderboard",
}


def not_run(categories: Collection[str]) -> dict[str, str]:
    """Why each category that is not among `categories` is not run, by name."""
    left_out = {name: "not among the profile's bfcl.categories" for name in RUNNABLE if name not in categories}
    return {**left_out, **_OUT_OF_REACH}
