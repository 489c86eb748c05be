"""Renders validation turns as prompts for every file alike: `python -m fc_assets.edge.measurement.prompts_job JOB.json`.

A process of its own, because transformers would otherwise count in the memory that `ask` measures.

Job: `tokenizer` (folder), `split` (ShareGPT file), `rows`, `context`, `max_tokens`. Result: `prompts`, a list with
`id`, `prompt`, `ids` (by the checkpoint's own tokenizer), `messages`, `tools`; and `too_long`, the turns passed over
because prompt and answer do not fit into the context.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fc_assets.calls.conversations import read_turns
from fc_assets.calls.prompts import render_prompt
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.jobs import Job, Log, run_child


def _work(job: Job, log: Log) -> dict[str, Any]:
    # Reads tokenizer.json as it stands; AutoTokenizer gives the same ids, but its import takes six times as long.
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast.from_pretrained(job["tokenizer"])
    prompts: list[dict[str, Any]] = []
    too_long = 0
    for turn in read_turns(Path(job["split"])):
        if len(prompts) == job["rows"]:
            break
        prompt = render_prompt(tokenizer, turn.messages, turn.tools, thinking_off=True)
        ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        if len(ids) + job["max_tokens"] > job["context"]:
            too_long += 1
            continue
        prompts.append({"id": turn.id, "prompt": prompt, "ids": ids, "messages": turn.messages, "tools": turn.tools})
    if not prompts:
        raise FcAssetsError(
            f"No turn of {job['split']} fits into {job['context']} tokens with an answer of {job['max_tokens']}; "
            "raise edge.context in the profile"
        )
    log.info(f"{len(prompts)} prompts of {sum(len(p['ids']) for p in prompts) // len(prompts)} tokens on average")
    return {"prompts": prompts, "too_long": too_long}


if __name__ == "__main__":
    run_child(_work)
