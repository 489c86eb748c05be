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

pytestmark = pytest.mark.slow
TIMEOUT_S = 500


def test_grpo_samples_with_vllm_beside_the_trainer_in_bf16(tmp_path: Path, grpo_job: Callable[..., GrpoJob]) -> None:
    """The product's own job. trl's weight sync works, and both models give a token nearly the same probability."""
    job = grpo_job(
        steps=2,
        bf16=True,
        gradient_checkpointing=True,
        vllm_colocate=True,
        vllm_sleep=False,
        max_prompt=384,
        save_every=1,
    )
    files = write_job(job, tmp_path)
    file = files.argv[-1]
    done = subprocess.run(
        [sys.executable, "-m", colocated.__name__, file],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        env=os.environ | colocated.ENVIRONMENT,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    report = files.result().report
    assert report.steps == 2
    gaps = [record["sampling/sampling_logp_difference/mean"] for record in report.log]
    print(f"log-probability gap per step: {gaps}; {files.result().cost}")
    assert all(0 < gap < 0.05 for gap in gaps)
