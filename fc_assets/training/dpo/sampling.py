"""Groups of completions sampled from a checkpoint, by transformers or by vLLM inside this process.

Which prompts are asked and what a completion is worth is decided elsewhere. A finished batch is written to a file at
once, so that an attempt that was killed goes on; each batch has a seed of its own, so that it then samples the same.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.child_processes.jobs import Log
from fc_assets.profiles import DpoSettings
from fc_assets.training.dpo.pairs import DrawnCompletion

_VLLM_BATCH = 4096
"""Completions between two writes; vLLM itself decides how many it computes together."""
_VLLM_ENVIRONMENT = {
    # In this process: it is one of its own already, and requests are then scheduled the same way each time.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_NO_USAGE_STATS": "1",
}

Group = list[DrawnCompletion]


@dataclass(frozen=True, slots=True)
class EncodedPrompt:
    """A prompt's place among those drawn, and its token ids."""

    number: int
    ids: list[int]


class Sampler(Protocol):
    """What samples: `prompts_at_once` are asked together."""

    prompts_at_once: int

    def groups(self, prompts: Sequence[EncodedPrompt], seed: int) -> list[Group]:
        """`dpo.generations` completions for each prompt, in the prompts' order."""


class TransformersSampler:
    """A checkpoint in `folder`, on the GPU where there is one."""

    def __init__(self, folder: Path, tokenizer: Any, settings: DpoSettings) -> None:
        import torch

        from fc_assets.training.trainer import checkpoints

        self.settings, self.tokenizer = settings, tokenizer
        self.prompts_at_once = max(1, settings.sampling_batch // settings.generations)
        model, _ = checkpoints.load_checkpoint(folder, bf16=settings.bf16)
        self.model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        self.stops = stop_ids(folder, tokenizer)

    def groups(self, prompts: Sequence[EncodedPrompt], seed: int) -> list[Group]:
        import torch

        torch.manual_seed(seed)
        padded = self.tokenizer.pad(
            {"input_ids": [prompt.ids for prompt in prompts]}, padding_side="left", return_tensors="pt"
        )
        try:
            with torch.inference_mode():
                output = self.model.generate(
                    **padded.to(self.model.device),
                    num_return_sequences=self.settings.generations,
                    max_new_tokens=self.settings.max_completion,
                    pad_token_id=self.tokenizer.pad_token_id,
                    eos_token_id=self.stops,
                    # A checkpoint may come with sampling settings of its own.
                    **{"do_sample": True, "temperature": self.settings.temperature, "top_p": 1.0, "top_k": 0},
                )
        except torch.OutOfMemoryError as error:
            raise FcAssetsError(
                f"{self.settings.sampling_batch} completions at once do not fit the device's memory; lower "
                "dpo.sampling_batch and materialise again: the groups that are finished are kept"
            ) from error
        written = [self._sample(ids) for ids in output[:, padded.input_ids.shape[1] :].tolist()]
        size = self.settings.generations
        return [written[begin : begin + size] for begin in range(0, len(written), size)]

    def _sample(self, ids: list[int]) -> DrawnCompletion:
        end = next((place for place, token in enumerate(ids) if token in self.stops), None)
        text = self.tokenizer.decode(ids[:end], skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return DrawnCompletion(text, cut=end is None)


class VllmSampler:
    """The checkpoint in vLLM's engine, which has the device for itself until this process ends."""

    def __init__(self, folder: Path, tokenizer: Any, settings: DpoSettings) -> None:
        os.environ.update(_VLLM_ENVIRONMENT)
        from vllm import LLM

        self.settings, self.stops = settings, stop_ids(folder, tokenizer)
        self.prompts_at_once = max(1, _VLLM_BATCH // settings.generations)
        self.engine = LLM(
            model=str(folder),
            dtype="bfloat16" if settings.bf16 else "float32",
            max_model_len=settings.max_length + settings.max_completion,
            gpu_memory_utilization=settings.vllm_memory_share,
            generation_config="vllm",  # not the checkpoint's own sampling settings
            seed=settings.seed,
        )

    def groups(self, prompts: Sequence[EncodedPrompt], seed: int) -> list[Group]:
        from vllm import SamplingParams

        sampling = SamplingParams(
            n=self.settings.generations,
            temperature=self.settings.temperature,
            max_tokens=self.settings.max_completion,
            stop_token_ids=self.stops,
            seed=seed,
        )
        asked = [{"prompt_token_ids": prompt.ids} for prompt in prompts]
        answered = self.engine.generate(asked, sampling, use_tqdm=False)
        return [
            [DrawnCompletion(each.text, cut=each.finish_reason == "length") for each in request.outputs]
            for request in answered
        ]


def stop_ids(folder: Path, tokenizer: Any) -> list[int]:
    """Every token that ends an answer: the checkpoint's own list, and the tokenizer's end of text."""
    from transformers import GenerationConfig

    own = GenerationConfig.from_pretrained(folder, local_files_only=True).eos_token_id
    return sorted({*(own if isinstance(own, list) else [own]), tokenizer.eos_token_id} - {None})


def load_sampler(folder: Path, tokenizer: Any, settings: DpoSettings) -> Sampler:
    """The engine that `settings` name, with the checkpoint in `folder`."""
    if settings.engine == "vllm":
        return VllmSampler(folder, tokenizer, settings)
    return TransformersSampler(folder, tokenizer, settings)


def sample_groups(
    folder: Path, tokenizer: Any, prompts: Sequence[EncodedPrompt], settings: DpoSettings, file: Path, log: Log
) -> dict[int, Group]:
    """The group of each prompt by its number. `file` holds those that an earlier attempt finished, and receives more.

    The model is loaded only where something is left to sample.
    """
    finished = read_groups(file)
    left = [prompt for prompt in prompts if prompt.number not in finished]
    if len(left) < len(prompts):
        log.info(f"resuming: {len(prompts) - len(left)} of {len(prompts)} groups are sampled already")
    if left:
        engine = load_sampler(folder, tokenizer, settings)
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as out:
            for batch, groups in _sampled(engine, prompts, finished, settings.seed, log):
                lines = [
                    json.dumps({"number": prompt.number, "group": [asdict(each) for each in group]}) + "\n"
                    for prompt, group in zip(batch, groups, strict=True)
                ]
                out.write("".join(lines))
                out.flush()
                finished.update((prompt.number, group) for prompt, group in zip(batch, groups, strict=True))
    return finished


def _sampled(
    engine: Sampler, prompts: Sequence[EncodedPrompt], finished: dict[int, Group], seed: int, log: Log
) -> Iterator[tuple[Sequence[EncodedPrompt], list[Group]]]:
    """Each batch that is not finished, with its groups. Batches are the same in every attempt."""
    # The longest first: should memory not suffice, it shows at once.
    ordered = sorted(prompts, key=lambda prompt: (-len(prompt.ids), prompt.number))
    started = time.monotonic()
    for begin in range(0, len(ordered), engine.prompts_at_once):
        batch = ordered[begin : begin + engine.prompts_at_once]
        if all(prompt.number in finished for prompt in batch):
            continue
        yield batch, engine.groups(batch, seed + begin)
        done = min(begin + engine.prompts_at_once, len(ordered))
        log.info(f"{done}/{len(ordered)} groups sampled, {time.monotonic() - started:.0f} s")


def read_groups(file: Path) -> dict[int, Group]:
    """The groups in a file that `sample_groups` wrote; a last line that a kill cut in half is removed from it."""
    if not file.is_file():
        return {}
    whole, _, half = file.read_text(encoding="utf-8").rpartition("\n")
    if half:
        file.write_text(f"{whole}\n" if whole else "", encoding="utf-8")
    found = map(json.loads, whole.splitlines())
    return {row["number"]: [DrawnCompletion(**each) for each in row["group"]] for row in found}
