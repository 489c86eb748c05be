"""Greedy answers from a checkpoint that transformers loads.

`python -m fc_assets.evaluation.inference.generate_job JOB.json`, a process of its own, for machines where
vLLM does not run. Questions of similar length share a batch, padded on the left; every finished batch goes into the
answer log at once. What is asked, and whether an answer is right, is decided elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from fc_assets.errors import FcAssetsError
from fc_assets.evaluation.answers import CUT, TOO_LONG, Answer, AnswerLog, Question, answer_log
from fc_assets.evaluation.inference.prompt_encoding import load_tokenizer, prompt_ids
from fc_assets.evaluation.jobs import GenerateJob, GenerateResult
from fc_assets.foundation.child_processes.jobs import Log, run_job

PROGRESS_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class Prompt:
    """A question as the model is fed it, and how many tokens its answer may have."""

    id: str
    ids: list[int]
    budget: int


class Generator:
    """A checkpoint on its device."""

    def __init__(self, model: Any, tokenizer: Any, max_model_len: int) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.limit = min(max_model_len, model.config.max_position_embeddings)
        self.stops = _stop_ids(model, tokenizer)

    def prompt(self, question: Question, max_tokens: int) -> Prompt:
        """The question encoded; its budget is 0 or less where it leaves no room for an answer."""
        ids = prompt_ids(self.tokenizer, question)
        return Prompt(question.id, ids, min(max_tokens, self.limit - len(ids)))

    def too_long(self, prompt: Prompt) -> Answer:
        """What stands for the answer to a prompt that does not fit."""
        reason = f"The prompt has {len(prompt.ids)} tokens, which leaves no room in the model's {self.limit}"
        return Answer(prompt.id, "", TOO_LONG, 0.0, None, None, reason)

    def answers(self, batch: Sequence[Prompt]) -> Iterator[Answer]:
        """Answer these prompts together. Each one's latency is that of the whole batch."""
        padded = self.tokenizer.pad({"input_ids": [prompt.ids for prompt in batch]}, return_tensors="pt")
        started = time.perf_counter()
        with torch.inference_mode():
            output = self.model.generate(
                **padded.to(self.model.device),
                max_new_tokens=max(prompt.budget for prompt in batch),
                eos_token_id=sorted(self.stops),
                pad_token_id=self.tokenizer.pad_token_id,
                # A checkpoint may come with sampling settings of its own.
                **{"do_sample": False, "temperature": None, "top_p": None, "top_k": None},
            )
        written = output[:, padded.input_ids.shape[1] :].tolist()
        latency_s = time.perf_counter() - started
        for prompt, ids in zip(batch, written, strict=True):
            yield self._answer(prompt, ids, latency_s)

    def _answer(self, prompt: Prompt, ids: Sequence[int], latency_s: float) -> Answer:
        ids = ids[: prompt.budget]
        end = next((place for place, token in enumerate(ids) if token in self.stops), None)
        return Answer(
            id=prompt.id,
            text=self.tokenizer.decode(ids[:end], skip_special_tokens=True, clean_up_tokenization_spaces=False),
            finish_reason=CUT if end is None else "stop",
            latency_s=latency_s,
            prompt_tokens=len(prompt.ids),
            completion_tokens=len(ids) if end is None else end + 1,  # the token that ends it counts, as in vLLM
        )


def load(folder: Path, device: str, dtype: str, max_model_len: int) -> Generator:
    """The checkpoint on its device: safetensors only, no remote code."""
    if device == "cuda" and not torch.cuda.is_available():
        raise FcAssetsError("server.device is cuda but no CUDA device is visible; set server.device to cpu")
    tokenizer = load_tokenizer(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, use_safetensors=True, local_files_only=True)
    return Generator(model.to(device).eval(), tokenizer, max_model_len)


def answer_all(
    generator: Generator, questions: Sequence[Question], max_tokens: int, batch_size: int, log: AnswerLog, progress: Log
) -> list[Answer]:
    """Answer every question that is not in `log` yet; return one answer for each question, in order."""
    todo = [generator.prompt(question, max_tokens) for question in questions if question.id not in log.finished]
    if len(todo) < len(questions):
        progress.info(f"resuming: {len(questions) - len(todo)} of {len(questions)} rows are answered already")
    for prompt in todo:
        if prompt.budget < 1:
            log.add(generator.too_long(prompt))
    # The longest first: should memory not suffice, it shows at once.
    waiting = sorted((prompt for prompt in todo if prompt.budget > 0), key=lambda prompt: -len(prompt.ids))
    started = reported = time.monotonic()
    for begin in range(0, len(waiting), batch_size):
        try:
            for answer in generator.answers(waiting[begin : begin + batch_size]):
                log.add(answer)
        except torch.OutOfMemoryError as error:
            raise FcAssetsError(
                f"{batch_size} answers at once do not fit the device's memory; lower evaluation.batch_size and "
                "materialise again: the answers that are finished are kept"
            ) from error
        done, now = min(begin + batch_size, len(waiting)), time.monotonic()
        if now - reported > PROGRESS_EVERY_S or done == len(waiting):
            rate = done / (now - started)
            left = (len(waiting) - done) / rate
            progress.info(f"{done}/{len(waiting)} rows answered, {rate:.1f} rows/s, {left:.0f} s left")
            reported = now
    return [log.finished[question.id] for question in questions]


def _stop_ids(model: Any, tokenizer: Any) -> set[int]:
    """Every token that ends an answer: the checkpoint's own list, and the tokenizer's end of text."""
    own = model.generation_config.eos_token_id
    own = own if isinstance(own, list) else [own]
    return {token for token in (*own, tokenizer.eos_token_id) if token is not None}


def work(job: GenerateJob, log: Log) -> GenerateResult:
    """Answer every question that the answer log does not have yet."""
    with answer_log(job.folder) as answers:
        generator = load(job.model, job.device, job.dtype, job.max_model_len)
        log.info(f"transformers generates in {generator.model.dtype} on {generator.model.device}")
        found = answer_all(generator, job.questions, job.max_tokens, job.batch_size, answers, log)
    return GenerateResult(answers=tuple(found))


if __name__ == "__main__":
    run_job(GenerateJob, work)
