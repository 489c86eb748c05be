"""Pairs are made by either engine; one is left out where an answer does not fit, and never cut."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from transformers import Qwen2Tokenizer

from fc_assets.foundation.child_processes.jobs import write_job
from fc_assets.profiles import EMBEDDED, DpoSettings, RewardWeights
from fc_assets.training.dpo.jobs import DpoRecipe, PairsJob
from fc_assets.training.dpo.pairs import PreferencePair, read_pairs
from fc_assets.training.dpo.pairs_job import fits
from fc_assets_tests.support.evaluation_world import split_row


def pair(best: str, worst: str) -> PreferencePair:
    return PreferencePair("row", "query", best, worst, 1.0, 0.0, expected=False)


def test_both_answers_must_fit_with_their_end_token(tokenizer: Qwen2Tokenizer) -> None:
    prompt, short, long = "Set a timer.\n\n", "No.", "No, I cannot do that, whatever you say."
    needed = len(tokenizer(prompt + long + tokenizer.eos_token).input_ids)
    for both in (pair(short, long), pair(long, short)):
        assert fits(tokenizer, prompt, both, needed)
        assert not fits(tokenizer, prompt, both, needed - 1)


def test_an_answer_that_melts_into_the_prompts_end_is_left_out(tokenizer: Qwen2Tokenizer) -> None:
    """The trainer would tokenize the prompt otherwise than a server does."""
    prompt = "Set a timer.\n"
    assert not fits(tokenizer, prompt, pair("No.", "\nNo."), 100)
    assert fits(tokenizer, prompt, pair("No.", "Never."), 100)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["transformers", pytest.param("vllm", marks=pytest.mark.vllm)])
def test_either_engine_samples_groups_and_an_attempt_that_follows_samples_none(tmp_path: Path, engine: str) -> None:
    train = tmp_path / "train.json"
    train.write_text(json.dumps([split_row(number) for number in range(12)]))
    settings = DpoSettings.model_validate(
        {"engine": engine, "bf16": False, "prompts": 12, "generations": 3, "max_completion": 40, "max_length": 512}
    )
    job = PairsJob(
        model=EMBEDDED,
        train=train,
        recipe=DpoRecipe(settings=settings, rewards=RewardWeights()),
        groups=tmp_path / "groups.jsonl",
        pairs=tmp_path / "pairs.parquet",
    )
    files = write_job(job, tmp_path)
    env = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1"}
    found = []
    for _ in range(2):
        done = subprocess.run(files.argv, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        found.append((files.result(), read_pairs(job.pairs)))
    assert found[0] == found[1]
    counts, pairs = found[0]
    asked = counts.prompts  # each turn once: there are fewer without a call than `no_call_share` would have
    assert 9 <= asked <= 12 and counts.completions == 3 * asked
    assert f"{asked} of {asked} groups are sampled already" in done.stderr
    assert len(pairs) == counts.pairs == asked - counts.alike - len(counts.unfit) > 0
