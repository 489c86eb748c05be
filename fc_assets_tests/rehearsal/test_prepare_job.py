"""The rows of a rehearsal: as long as the profile allows, and with answers that are right all the same."""

from pathlib import Path

from fc_assets.calls.conversations import read_turns
from fc_assets.profiles import EMBEDDED, load_profile
from fc_assets.rehearsal.jobs import PrepareJob
from fc_assets.rehearsal.prepare_job import prepare
from fc_assets.training.grpo.prompt_selection import without_capped_turns


class Silent:
    def info(self, message: str) -> None:
        pass

    warning = info


def test_rows_reach_the_limit_and_their_answers_earn_the_full_reward(tmp_path: Path) -> None:
    job = PrepareJob(
        model=EMBEDDED,
        layers=0,
        bf16=False,
        train=tmp_path / "train.json",
        rows=6,
        row_tokens=900,
        prompt_tokens=880,
        seed=1,
    )
    made = prepare(job, Silent())
    assert 870 <= made.shortest_row <= made.longest_row <= 900
    assert 860 <= made.longest_prompt <= 880
    turns = read_turns(job.train)
    kept, capped = without_capped_turns(turns, load_profile("demo").grpo.rewards.model_dump())
    assert (len(turns), len(kept), capped) == (6, 6, [])
