"""Held-out turns answered greedily while the model trains: which they are is `held_out`.

A loss or a sampled reward says how training goes; whether answers parse and are right, only answers say. The records
lie in the trainer's log, under `probe/...`, and so in its checkpoints. What follows from them is in `checks`; the whole
validation split is asked in `evaluation`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from transformers import GenerationConfig, TrainerCallback

from fc_assets.calls.control_text import token_ids
from fc_assets.calls.conversations import Turn
from fc_assets.calls.judge import judge
from fc_assets.calls.prompts import prompt_pieces
from fc_assets.foundation.child_processes.jobs import Log
from fc_assets.training.jobs import LogRecord
from fc_assets.training.training_log import PROBE_EXACT, PROBE_PARSE, PROBE_ROWS


class Probe(TrainerCallback):  # type: ignore[misc]  # transformers is not read by the type checker
    """Asks `turns` before the first step, whenever a checkpoint is due, and after the last step."""

    def __init__(self, turns: Sequence[Turn], tokenizer: Any, max_new_tokens: int, batch_tokens: int, log: Log) -> None:
        self.turns = turns
        self.tokenizer = tokenizer
        self.max_new_tokens = max_new_tokens
        self.batch_tokens = batch_tokens
        self.log = log

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        if state.global_step == 0:
            self._record(state, model)

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        if state.global_step % args.save_steps == 0 or state.global_step >= state.max_steps:
            self._record(state, model)  # before the checkpoint is written, which then holds it

    def _record(self, state: Any, model: Any) -> None:
        if not self.turns:
            return
        record = ask(model, self.tokenizer, self.turns, self.max_new_tokens, self.batch_tokens)
        state.log_history.append({**record, "step": state.global_step})
        self.log.info(
            f"probe at step {state.global_step}: of {len(self.turns)} held-out turns {record[PROBE_PARSE]:.1%} parse, "
            f"{record[PROBE_EXACT]:.1%} match exactly"
        )


def ask(model: Any, tokenizer: Any, turns: Sequence[Turn], max_new_tokens: int, batch_tokens: int) -> LogRecord:
    """The parse rate and exact match of the model's greedy answers to `turns`, and how many those are."""
    pieces = [prompt_pieces(tokenizer, turn.messages, turn.tools, thinking_off=True) for turn in turns]
    prompts = token_ids(tokenizer, pieces)
    texts = answers(model, tokenizer, prompts, max_new_tokens, batch_tokens)
    judged = [judge(text, turn.tools, turn.calls) for text, turn in zip(texts, turns, strict=True)]
    return {
        PROBE_ROWS: len(turns),
        PROBE_PARSE: sum(each.parse_ok for each in judged) / len(judged),
        PROBE_EXACT: sum(each.exact for each in judged) / len(judged),
    }


def answers(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[list[int]],
    max_new_tokens: int,
    batch_tokens: int,
    temperature: float = 0.0,
) -> list[str]:
    """One answer to each prompt (its token ids), in order: greedy at temperature 0, else sampled.

    The model's mode stays what it is. `batch_tokens` bounds the tokens, prompts and answers, that are in memory at
    once; a longer prompt stands alone.
    """
    was_training = model.training
    model.eval()  # no dropout; and no checkpointing, which would do without a cache
    stops = model.generation_config.eos_token_id or tokenizer.eos_token_id
    config = GenerationConfig(
        max_new_tokens=max_new_tokens,
        eos_token_id=stops,
        pad_token_id=tokenizer.pad_token_id,
        use_cache=True,  # a trainer may have switched it off
        # All of it: what is left open comes from the checkpoint, and Qwen3's samples.
        do_sample=temperature > 0,
        temperature=temperature or 1.0,
        top_p=1.0,
        top_k=0,
    )
    texts = [""] * len(prompts)
    try:
        for batch in _batches([len(ids) + max_new_tokens for ids in prompts], batch_tokens):
            written = _written(model, tokenizer, [prompts[number] for number in batch], config)
            for number, text in zip(batch, written, strict=True):
                texts[number] = text
    finally:
        model.train(was_training)
    return texts


def _batches(lengths: Sequence[int], tokens: int) -> Iterator[list[int]]:
    """Indices of `lengths`, the longest first, in batches of at most `tokens`, padding included."""
    waiting = sorted(range(len(lengths)), key=lambda number: -lengths[number])
    while waiting:
        count = max(1, tokens // lengths[waiting[0]])
        yield waiting[:count]
        waiting = waiting[count:]


def _written(model: Any, tokenizer: Any, prompts: Sequence[list[int]], config: GenerationConfig) -> list[str]:
    padded = tokenizer.pad({"input_ids": list(prompts)}, padding_side="left", return_tensors="pt").to(model.device)
    with torch.no_grad():
        output = model.generate(**padded, generation_config=config)
    written = output[:, padded.input_ids.shape[1] :]
    texts: list[str] = tokenizer.batch_decode(written, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return texts
