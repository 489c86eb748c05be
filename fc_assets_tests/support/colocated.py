"""GRPO with vLLM inside the trainer, on a CPU: what has to differ from a card, and nothing else.

vLLM's CPU build packs the weights of its linear layers, after which trl cannot hand it new ones ("'Parameter' object
has no attribute 'weight_loader'"). Here they stay plain. `python -m fc_assets_tests.support.colocated JOB.json` runs
the product's own GRPO job so; no test of another subject belongs here.
"""

from __future__ import annotations

import os

ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # in this process, where trl reaches the model's weights
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


def keep_linear_weights_plain() -> None:
    """Let vLLM's CPU build compute linear layers by torch, from the weights as they were loaded."""
    import torch
    from vllm.model_executor.layers import utils

    def plain(layer: torch.nn.Module, remove_weight: bool) -> None:
        layer.cpu_linear = torch.nn.functional.linear

    utils.dispatch_cpu_unquantized_gemm = plain


def main() -> None:
    """Run the GRPO job that the command line names."""
    from fc_assets.foundation.child_processes.jobs import run_job
    from fc_assets.training.grpo.grpo_job import train
    from fc_assets.training.jobs import GrpoJob

    os.environ.update(ENVIRONMENT)
    keep_linear_weights_plain()
    run_job(GrpoJob, train)


if __name__ == "__main__":
    main()
