"""A small model that gives known answers: trained within seconds on a few conversations until it repeats them.

Random weights show shapes and ids; what a runtime makes of a call in an answer needs an answer with a call.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fc_assets.calls.call import Call, Tool
from fc_assets.calls.prompts import answer_text, messages, render_prompt
from fc_assets_tests.support.edge_conversations import NOW, WEATHER

Example = tuple[str, Sequence[Tool], str]
"""What is asked, the tools that are offered, and the answer."""

CALLS = {
    "Two?": (
        Call("get_weather", {"city": 'He said "{x}" \\ & 北京', "unit": "celsius"}),
        Call("now", {}),
    ),
    "Hello": (),
}
"""The calls in the answer to each question; words where there are none."""
WORDS = "Good {day} to you."
EXAMPLES: Sequence[Example] = [
    (query, [WEATHER, NOW] if query == "Two?" else [WEATHER], answer_text(calls) if calls else WORDS)
    for query, calls in CALLS.items()
]
ODD: Example = ("Odd?", [WEATHER], answer_text([Call("get_weather", {"city": "Bern", "unit": "kelvin"})]))
"""An answer whose call has a value that its tool does not offer."""
_STEPS = 200
_SURE = 0.004
"""The loss at which each token of the answers is far the likeliest."""


def train(checkpoint: Path, tokenizer: Any, out: Path, examples: Sequence[Example] = (*EXAMPLES, ODD)) -> Path:
    """Copy the checkpoint to the folder `out`, trained so that it answers the examples greedily; returns `out`."""
    import torch
    from transformers import Qwen3ForCausalLM

    torch.manual_seed(0)
    model = Qwen3ForCausalLM.from_pretrained(checkpoint)
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3)
    batch = [_encoded(tokenizer, *example) for example in examples]
    longest = max(len(ids) for ids, _ in batch)
    ids = torch.tensor([[*given, *[0] * (longest - len(given))] for given, _ in batch])
    labels = torch.tensor([[*wanted, *[-100] * (longest - len(wanted))] for _, wanted in batch])
    for _ in range(_STEPS):
        loss = model(input_ids=ids, labels=labels).loss
        if loss.item() < _SURE:
            break
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < _SURE, f"the model has not learnt its answers: {loss.item()}"
    model.save_pretrained(out)
    for file in checkpoint.iterdir():
        if file.name.startswith(("tokenizer", "chat_template")) or file.name == "config.json":
            shutil.copyfile(file, out / file.name)
    return out


def _encoded(tokenizer: Any, query: str, tools: Sequence[Tool], answer: str) -> tuple[list[int], list[int]]:
    prompt = tokenizer(render_prompt(tokenizer, messages(query), tools, thinking_off=True))["input_ids"]
    reply = tokenizer(f"{answer}<|im_end|>")["input_ids"]
    return [*prompt, *reply], [-100] * len(prompt) + reply
