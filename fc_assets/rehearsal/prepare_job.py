"""Makes what a rehearsal works on: `python -m fc_assets.rehearsal.prepare_job JOB.json`.

Rows are the demo's generated ones, made as long as the profile allows by words in front of the question; their answers
stay right, so that they earn the full reward. The stages themselves are the real jobs and not here.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import orjson
import torch
from transformers import AutoTokenizer, Qwen3Config, Qwen3ForCausalLM

from fc_assets.calls.conversations import Turn, turns_of
from fc_assets.calls.prompts import render_prompt
from fc_assets.data.rows.normalise import Example, normalise_row
from fc_assets.data.rows.sharegpt import sharegpt_row
from fc_assets.data.rows.tools import ToolReader
from fc_assets.data.sources.generator import generate_rows
from fc_assets.foundation.child_processes.jobs import Log, run_job
from fc_assets.foundation.planning.shape import QWEN3_0_6B
from fc_assets.profiles import EMBEDDED
from fc_assets.rehearsal.jobs import PreparedRows, PrepareJob
from fc_assets.training.sequences import encode

_FILLER = "please "
_NO_CALL_SHARE = 0.25
"""As of GRPO's prompts, so that both kinds are there to draw from."""


def prepare(job: PrepareJob, log: Log) -> PreparedRows:
    """Write the checkpoint if one is wanted, and the rows; return how long these are."""
    if job.layers:
        log.info(f"writing {job.layers} layers of Qwen3-0.6B's shape with random weights")
        _write_checkpoint(job)
    tokenizer = AutoTokenizer.from_pretrained(job.model, local_files_only=True)
    examples = [_lengthened(example, tokenizer, job) for example in _examples(job)]
    job.train.write_bytes(b"[" + b",".join(sharegpt_row(example) for example in examples) + b"]")
    turns = [_turn(example) for example in examples]
    lengths = [len(encode(tokenizer, turn).input_ids) for turn in turns]
    prompts = [_prompt_tokens(tokenizer, turn) for turn in turns]
    return PreparedRows(shortest_row=min(lengths), longest_row=max(lengths), longest_prompt=max(prompts))


def _write_checkpoint(job: PrepareJob) -> None:
    shape = QWEN3_0_6B.with_layers(job.layers)
    tokenizer = AutoTokenizer.from_pretrained(EMBEDDED, local_files_only=True)
    config = Qwen3Config(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_value_heads,
        head_dim=shape.head_dim,
        max_position_embeddings=shape.context,
        tie_word_embeddings=shape.tied,
        rope_parameters={"rope_type": "default", "rope_theta": 1_000_000.0},
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(job.seed)
    model = Qwen3ForCausalLM(config).to(torch.bfloat16 if job.bf16 else torch.float32)
    model.save_pretrained(job.model)
    for file in EMBEDDED.iterdir():
        if file.name.startswith(("tokenizer", "chat_template")):
            shutil.copy(file, job.model)


def _examples(job: PrepareJob) -> Iterator[Example]:
    reader = ToolReader()
    for row in generate_rows(job.rows, job.seed, irrelevance_share=_NO_CALL_SHARE):
        yield normalise_row(row, reader)


def _lengthened(example: Example, tokenizer: Any, job: PrepareJob) -> Example:
    """The example with as many words before its question as both limits allow; without any where it is longer."""

    def fits(words: int) -> bool:
        turn = _turn(_with_words(example, words))
        return (
            len(encode(tokenizer, turn).input_ids) <= job.row_tokens
            and _prompt_tokens(tokenizer, turn) <= job.prompt_tokens
        )

    low, high = 0, max(job.row_tokens, job.prompt_tokens)
    while low < high:  # the largest number of words that fits
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return _with_words(example, low)


def _with_words(example: Example, words: int) -> Example:
    return example._replace(query=_FILLER * words + example.query)


def _prompt_tokens(tokenizer: Any, turn: Turn) -> int:
    prompt = render_prompt(tokenizer, turn.messages, turn.tools, thinking_off=True)
    return len(tokenizer(prompt, add_special_tokens=False).input_ids)


def _turn(example: Example) -> Turn:
    (turn,) = turns_of(orjson.loads(sharegpt_row(example)))
    return turn


if __name__ == "__main__":
    run_job(PrepareJob, prepare)
