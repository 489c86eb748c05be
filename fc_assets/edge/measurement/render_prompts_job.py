"""Renders validation turns as prompts, the same for every file.

A process of its own, because transformers would otherwise count in the memory that `measure_file_job` measures.
"""

from __future__ import annotations

from fc_assets.calls.conversations import read_turns
from fc_assets.calls.prompts import render_prompt
from fc_assets.edge.jobs import RenderedPrompt, RenderPromptsJob, RenderPromptsResult
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.child_processes.jobs import Log, run_job


def work(job: RenderPromptsJob, log: Log) -> RenderPromptsResult:
    """Do the job. Raises `FcAssetsError` when no turn fits into the context."""
    # Reads tokenizer.json as it stands; AutoTokenizer gives the same ids, but its import takes six times as long.
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast.from_pretrained(job.tokenizer)
    prompts: list[RenderedPrompt] = []
    too_long = 0
    for turn in read_turns(job.split):
        if len(prompts) == job.rows:
            break
        if turn.has_control_text:  # llama.cpp is asked in text, and would make tokens of it
            log.info(f"turn {turn.id} is left out: it holds text that looks like a mark of the chat template")
            continue
        messages = [dict(message) for message in turn.messages]
        prompt = render_prompt(tokenizer, messages, turn.tools, thinking_off=True)
        ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        if len(ids) + job.max_tokens > job.context:
            too_long += 1
            continue
        tools = [dict(tool) for tool in turn.tools]
        prompts.append(RenderedPrompt(id=turn.id, prompt=prompt, ids=ids, messages=messages, tools=tools))
    if not prompts:
        raise FcAssetsError(
            f"No turn of {job.split} fits into {job.context} tokens with an answer of {job.max_tokens}; "
            "raise edge.context in the profile"
        )
    log.info(f"{len(prompts)} prompts of {sum(len(p.ids) for p in prompts) // len(prompts)} tokens on average")
    return RenderPromptsResult(prompts=prompts, too_long=too_long)


if __name__ == "__main__":
    run_job(RenderPromptsJob, work)
