"""What only a card does, rehearsed on a CPU: bf16, gradient checkpointing, and vLLM inside the trainer."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fc_assets.foundation.child_processes.jobs import write_job
from fc_assets.training.jobs import GrpoJob
from fc_assets_tests.support import colocated

TIMEOUT_S = 550
LARGEST_GAP = 0.02
"""Nats that a token's log-probability may differ on average between vLLM and the trainer: 0.001 to 0.003 were seen."""


@pytest.mark.slow
@pytest.mark.timeout(TIMEOUT_S + 30)
def test_grpo_samples_with_vllm_beside_the_trainer_in_bf16(tmp_path: Path, grpo_job: Callable[..., GrpoJob]) -> None:
    """The product's own job: candidates and steps are sampled by vLLM, which gets the trained weights at each step."""
    job = grpo_job(
        steps=2,
        prompts_per_step=4,
        generations=4,
        candidates_per_prompt=2,
        max_prompt=384,
        bf16=True,
        gradient_checkpointing=True,
        vllm_colocate=True,
        vllm_sleep=False,
        save_every=1,
        probe_rows=4,
    )
    files = write_job(job, tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", colocated.__name__, files.argv[-1]],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        env=os.environ | colocated.ENVIRONMENT,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    run = files.result()
    gaps = [float(record["sampling/sampling_logp_difference/mean"]) for record in run.report.log]
    print(f"log-probability gap per step {gaps}, {run.cost.seconds:.0f} s, peak {run.cost.peak_rss_mb:.0f} MB")
    assert len(gaps) == run.report.steps == 2
    assert all(0 < gap < LARGEST_GAP for gap in gaps)
    assert run.report.candidates > 0 and [record["step"] for record in run.report.probe] == [0, 1, 2]
