"""Groups are sampled once, in the same batches whenever an attempt goes on after a kill."""

import logging
from collections.abc import Sequence
from pathlib import Path

import pytest

from fc_assets.profiles import EMBEDDED, DpoSettings
from fc_assets.training.dpo import sampling
from fc_assets.training.dpo.pairs import DrawnCompletion
from fc_assets.training.dpo.sampling import EncodedPrompt, Group, TransformersSampler, read_groups, sample_groups

LOG = logging.getLogger(__name__)
SETTINGS = DpoSettings(generations=2, max_completion=6, sampling_batch=4, engine="transformers", bf16=False)
PROMPTS = [EncodedPrompt(number, list(range(1, number + 2))) for number in range(5)]


class KilledSampler:
    """Samples two prompts at once, and is killed after so many batches."""

    prompts_at_once = 2

    def __init__(self, batches: int) -> None:
        self.batches = batches
        self.asked: list[tuple[list[int], int]] = []

    def groups(self, prompts: Sequence[EncodedPrompt], seed: int) -> list[Group]:
        if len(self.asked) == self.batches:
            raise KeyboardInterrupt
        self.asked.append(([prompt.number for prompt in prompts], seed))
        return [[DrawnCompletion(f"{prompt.number} by {seed}", cut=False)] for prompt in prompts]


def sampled(sampler: KilledSampler, file: Path, monkeypatch: pytest.MonkeyPatch) -> dict[int, Group]:
    monkeypatch.setattr(sampling, "load_sampler", lambda *_: sampler)
    return sample_groups(Path("no model"), None, PROMPTS, SETTINGS, file, LOG)


def test_an_attempt_goes_on_where_the_one_before_was_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = KilledSampler(9)
    wanted = sampled(whole, tmp_path / "in one go.jsonl", monkeypatch)
    assert [numbers for numbers, _ in whole.asked] == [[4, 3], [2, 1], [0]], "the longest first"
    assert len({seed for _, seed in whole.asked}) == 3

    file = tmp_path / "resume" / "groups.jsonl"
    with pytest.raises(KeyboardInterrupt):
        sampled(KilledSampler(2), file, monkeypatch)
    file.write_text(file.read_text()[:-9])  # the last line of the second batch is cut in half
    second = KilledSampler(9)
    assert sampled(second, file, monkeypatch) == wanted
    assert second.asked == whole.asked[1:], "the batch of the broken line again, with its own seed"
    assert read_groups(file) == wanted

    assert sampled(KilledSampler(0), file, monkeypatch) == wanted, "nothing is left to sample"


def test_transformers_samples_groups_and_tells_what_was_cut() -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(EMBEDDED)
    sampler = TransformersSampler(EMBEDDED, tokenizer, SETTINGS)
    prompts = [EncodedPrompt(0, tokenizer("Set a timer").input_ids), EncodedPrompt(1, tokenizer("Go").input_ids)]
    groups = sampler.groups(prompts, seed=1)
    assert [len(group) for group in groups] == [2, 2]
    assert groups == sampler.groups(prompts, seed=1) != sampler.groups(prompts, seed=2)
    assert any(each.cut for group in groups for each in group), "six tokens are no answer"
    ended = sampler._sample([*tokenizer("Go").input_ids, tokenizer.eos_token_id, 5, 5])
    assert ended == DrawnCompletion("Go", cut=False)
