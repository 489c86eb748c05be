"""The job for real on the embedded model; with vLLM beside it in `test_colocated`."""

from collections.abc import Callable

import pytest

from fc_assets.training.grpo.grpo_job import train
from fc_assets.training.jobs import GrpoJob
from fc_assets_tests.training.conftest import ListLog


@pytest.mark.slow
def test_a_training_finds_its_turns_probes_and_reports_both(grpo_job: Callable[..., GrpoJob]) -> None:
    job = grpo_job(
        steps=3,
        prompts_per_step=4,
        generations=4,
        micro_batch_tokens=1200,
        candidates_per_prompt=2,
        probe_rows=4,
        save_every=1,
    )
    log = ListLog()
    report = train(job, log).report
    assert report.turns + len(report.capped) + 4 == 60, "every row is asked, probed or counted as left out"
    assert 0 < report.without_signal < report.candidates <= 3 * 4 * 2
    assert [record["step"] for record in report.probe] == [0, 1, 2, 3]
    assert 0 <= report.clipped_share <= 1 and 0 <= report.no_signal_share < 1
    assert any("completions in a pass" in line for line in log.lines)
    assert {sample.row for sample in report.first_samples} <= {str(number) for number in range(60)}
