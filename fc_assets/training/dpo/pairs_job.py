"""Preference pairs from the merged SFT model: `python -m fc_assets.training.dpo.pairs_job JOB.json`.

Turns are drawn as GRPO draws them, each once at most, and prompts are rendered as it renders them, with thinking off.
Which completions become a pair is `pairs`; how they are sampled is `sampling`. A pair that does not fit is left out and
counted, never cut. The training on the pairs is `dpo_job`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from transformers import AutoTokenizer

from fc_assets.calls.conversations import Turn, read_turns
from fc_assets.calls.prompts import render_prompt
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.child_processes.jobs import Log, run_job
from fc_assets.training.dpo.jobs import PairCounts, PairsJob
from fc_assets.training.dpo.pairs import PreferencePair, choose_pair, write_pairs
from fc_assets.training.dpo.sampling import EncodedPrompt, Group, sample_groups
from fc_assets.training.grpo.prompt_selection import draw_turns, without_capped_turns, without_control_text
from fc_assets.training.trainer import running


def make_pairs(job: PairsJob, log: Log) -> PairCounts:
    """Sample the groups, choose the pairs, write them, and return what became of each group."""
    settings = job.recipe.settings
    weights: dict[str, float] = job.recipe.rewards.model_dump()
    running.use_physical_cores()
    tokenizer = AutoTokenizer.from_pretrained(job.model, local_files_only=True)
    plain, marked = without_control_text(read_turns(job.train))
    if marked:
        log.info(f"{len(marked)} turns are left out: they hold text that looks like a mark of the chat template")
    kept, capped = without_capped_turns(plain, weights)
    if not kept:
        raise FcAssetsError("No training row earns the full reward with its own expected answer; look at the split")
    drawn = draw_turns(kept, min(settings.prompts, len(kept)), settings.no_call_share, settings.seed)
    turns = list({turn.id: turn for turn in drawn}.values())
    texts = [render_prompt(tokenizer, turn.messages, turn.tools, thinking_off=True) for turn in turns]
    prompts = [EncodedPrompt(number, _ids(tokenizer, text)) for number, text in enumerate(texts)]
    prompts = [prompt for prompt in prompts if len(prompt.ids) < settings.max_length]
    groups = sample_groups(job.model, tokenizer, prompts, settings, job.groups, log)

    chosen = {number: choose_pair(turns[number], groups[number], weights, settings) for number in sorted(groups)}
    found = {number: pair for number, pair in chosen.items() if pair}
    pairs = {
        number: pair for number, pair in found.items() if fits(tokenizer, texts[number], pair, settings.max_length)
    }
    if not pairs:
        raise FcAssetsError(
            f"None of {len(groups)} groups gives a pair that fits {settings.max_length} tokens: raise dpo.prompts, "
            "dpo.temperature or dpo.max_length, or lower dpo.min_margin"
        )
    write_pairs(list(pairs.values()), job.pairs)
    alike = groups.keys() - found.keys()
    counts = _counts(
        pairs,
        turns,
        groups,
        alike=len(alike),
        unfit=[turn.id for number, turn in enumerate(turns) if number not in pairs and number not in alike],
        capped=capped,
    )
    log.info(
        f"{counts.pairs} pairs from {counts.prompts} groups; {counts.alike} groups without a difference, "
        f"{len(counts.unfit)} turns that do not fit {settings.max_length} tokens"
    )
    return counts


def fits(tokenizer: Any, prompt: str, pair: PreferencePair, max_length: int) -> bool:
    """Whether prompt and answer have at most `max_length` tokens for both answers, the end token included.

    And whether the answer begins with a token of its own: one that begins with a space may merge with the prompt's end,
    and the trainer would then learn from another prompt than the one that is served.
    """
    begins = _ids(tokenizer, prompt)
    encoded = [_ids(tokenizer, prompt + text + tokenizer.eos_token) for text in (pair.best, pair.worst)]
    return all(len(ids) <= max_length and ids[: len(begins)] == begins for ids in encoded)


def _ids(tokenizer: Any, text: str) -> list[int]:
    ids: list[int] = tokenizer(text, add_special_tokens=False).input_ids
    return ids


def _counts(
    pairs: Mapping[int, PreferencePair],
    turns: Sequence[Turn],
    groups: Mapping[int, Group],
    *,
    alike: int,
    unfit: list[str],
    capped: list[str],
) -> PairCounts:
    completions = [completion for group in groups.values() for completion in group]
    return PairCounts(
        prompts=len(groups),
        completions=len(completions),
        cut=sum(completion.cut for completion in completions),
        alike=alike,
        pairs=len(pairs),
        expected_as_best=sum(pair.expected for pair in pairs.values()),
        without_call=sum(not turns[number].calls for number in pairs),
        best_reward=sum(pair.best_reward for pair in pairs.values()) / len(pairs),
        worst_reward=sum(pair.worst_reward for pair in pairs.values()) / len(pairs),
        unfit=unfit,
        capped=capped,
    )


if __name__ == "__main__":
    run_job(PairsJob, make_pairs)
