"""How Dagster is told that a step needs the GPU: one pool and one set of op tags. No step's code belongs here.

Dagster reads both as plain strings, so this module needs no Dagster.
"""

from __future__ import annotations

GPU_POOL = "gpu"
"""Steps in this pool run one at a time over all runs (`dagster.yaml` sets the pool's limit to 1): one card holds one
model. This helps machines without a card too, where two vLLM servers would fight for the same cores."""

GPU_OP_TAGS = {
    # The Kubernetes launcher and executor read the request from this tag; other launchers ignore it.
    "dagster-k8s/config": {
        "container_config": {"resources": {"limits": {"nvidia.com/gpu": "1"}}},
    },
    "fc_assets/needs": "gpu",
}
