"""Loads one GGUF file with llama.cpp and asks it every prompt, greedily and one at a time.

A process for each file, so that peak memory is that file's. Whether an answer is right is decided in `report`.
"""

from __future__ import annotations

from collections.abc import Iterable

from fc_assets.edge.jobs import EdgeAnswer, FileMeasurement, MeasureFileJob, Place, RenderedPrompt
from fc_assets.edge.measurement.llama_model import LlamaModel
from fc_assets.foundation.child_processes.jobs import Log, run_job
from fc_assets.foundation.child_processes.memory import peak_rss_mb


def answer_prompts(model: LlamaModel, prompts: Iterable[RenderedPrompt], max_tokens: int) -> list[EdgeAnswer]:
    """The model's answer to every prompt, in order, and whether it reads the prompt as the checkpoint does."""
    return [
        EdgeAnswer(
            id=prompt.id,
            same_ids=model.tokenise(prompt.prompt) == prompt.ids,
            same_prompt=model.render(prompt.messages, prompt.tools) == prompt.prompt,
            **model.answer(prompt.prompt, max_tokens).model_dump(),
            constrained=model.constrained(prompt.messages, prompt.tools, max_tokens),
        )
        for prompt in prompts
    ]


def places_in(
    model: LlamaModel, prompts: Iterable[RenderedPrompt], answers: Iterable[EdgeAnswer], count: int
) -> list[Place]:
    """`count` places, or as many as there are, spread evenly over all tokens of the answers."""
    found = []
    for prompt, answer in zip(prompts, answers, strict=True):
        ids = model.tokenise(answer.text)
        found += [Place(id=prompt.id, ids=[*prompt.ids, *ids[:length]]) for length in range(len(ids))]
    step = max(1.0, len(found) / count) if count else 1.0
    return [found[int(number * step)] for number in range(min(count, len(found)))]


def work(job: MeasureFileJob, log: Log) -> FileMeasurement:
    """Do the job. Raises `FcAssetsError` when llama.cpp cannot load the file, or does not finish an answer."""
    model = LlamaModel(job.model, context=job.context, threads=job.threads)
    log.info(f"{job.model} ready after {model.load_s:.2f} s")
    answers = answer_prompts(model, job.prompts, job.max_tokens)
    places = job.places
    if places is None:
        places = places_in(model, job.prompts, answers, job.compared_tokens)
    next_tokens = [model.next_token(place.ids) for place in places]
    return FileMeasurement(
        load_s=model.load_s, peak_rss_mb=peak_rss_mb(), answers=answers, places=places, next_tokens=next_tokens
    )


if __name__ == "__main__":
    run_job(MeasureFileJob, work)
