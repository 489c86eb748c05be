"""What all assets' decorators have in common: owners, and for a step on the card its pool and tags.

What differs between assets (description, kinds, dependencies) stands at the asset.
"""

from __future__ import annotations

from typing import Any, TypedDict

from fc_assets.foundation.gpu import GPU_OP_TAGS, GPU_POOL

OWNERS = ["team:fc-assets"]


class GpuOptions(TypedDict):
    """Arguments of `@dg.asset`, typed so that the decorated function keeps its type."""

    pool: str
    op_tags: dict[str, Any]


ON_THE_GPU: GpuOptions = {"pool": GPU_POOL, "op_tags": GPU_OP_TAGS}
"""For a step that needs the card: `@dg.asset(**ON_THE_GPU, ...)`."""
