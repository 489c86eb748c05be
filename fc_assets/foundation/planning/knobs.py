"""Which settings make a step smaller, from the one that costs least. Whether the result fits is `fit`.

None of them changes what is learnt, except the last ones: shorter rows or prompts leave more of the data out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TypeVar

from fc_assets.foundation.gpu import Card
from fc_assets.foundation.planning.fit import Knob
from fc_assets.foundation.planning.machine import Machine
from fc_assets.foundation.planning.needs import colocated_load, server_load
from fc_assets.foundation.planning.shape import ModelShape
from fc_assets.foundation.planning.vllm_memory import least_share
from fc_assets.profiles import GrpoSettings, ServerSettings, SftSettings

Trained = TypeVar("Trained", SftSettings, GrpoSettings)
_STEP = 256
"""Tokens between two values that are tried."""
_SHORTEST = 512
"""Tokens below which a row or prompt with tools in it makes no sense."""
_LARGEST_SHARE = 0.95
_SHARE_DIGITS = 2
_FEWEST_SEQUENCES = 8


def sft_knobs() -> Sequence[Knob[SftSettings]]:
    """Checkpointing, smaller passes, shorter rows."""

    def shorter_rows(settings: SftSettings) -> Iterator[SftSettings]:
        for length in _down(settings.max_length, _SHORTEST):
            yield settings.model_copy(update={"max_length": length, "micro_batch_tokens": length})

    def smaller_passes(settings: SftSettings) -> Iterator[SftSettings]:
        for tokens in _down(settings.micro_batch_tokens, settings.max_length):
            yield settings.model_copy(update={"micro_batch_tokens": tokens})

    return (_checkpointing, smaller_passes, shorter_rows)


def grpo_knobs(shape: ModelShape, machine: Machine) -> Sequence[Knob[GrpoSettings]]:
    """Checkpointing, vLLM asleep while the optimizer works, its share of the card, smaller passes, shorter prompts."""

    def asleep(settings: GrpoSettings) -> Iterator[GrpoSettings]:
        if settings.vllm_colocate:
            yield settings.model_copy(update={"vllm_sleep": True})

    def share(settings: GrpoSettings) -> Iterator[GrpoSettings]:
        if settings.vllm_colocate and isinstance(machine.card, Card):
            least = least_share(shape, colocated_load(settings, machine.card))
            for value in _shares(settings.vllm_memory_share, least):
                yield settings.model_copy(update={"vllm_memory_share": value})

    def smaller_passes(settings: GrpoSettings) -> Iterator[GrpoSettings]:
        for tokens in _down(settings.micro_batch_tokens, settings.max_prompt + settings.max_completion):
            yield settings.model_copy(update={"micro_batch_tokens": tokens})

    def shorter_prompts(settings: GrpoSettings) -> Iterator[GrpoSettings]:
        for length in _down(settings.max_prompt, _SHORTEST):
            tokens = length + settings.max_completion
            shorter = settings.model_copy(update={"max_prompt": length, "micro_batch_tokens": tokens})
            yield shorter
            yield from share(shorter)

    return (_checkpointing, asleep, share, smaller_passes, shorter_prompts)


def server_knobs(shape: ModelShape, machine: Machine) -> Sequence[Knob[ServerSettings]]:
    """The share of the card, fewer sequences at once, shorter ones."""

    def share(settings: ServerSettings) -> Iterator[ServerSettings]:
        if settings.device == "cuda" and isinstance(machine.card, Card):
            least = least_share(shape, server_load(settings, machine.card))
            for value in _shares(settings.gpu_memory_share, least):
                yield settings.model_copy(update={"gpu_memory_share": value})

    def fewer_sequences(settings: ServerSettings) -> Iterator[ServerSettings]:
        fewer = settings
        while fewer.max_num_seqs > _FEWEST_SEQUENCES:
            fewer = fewer.model_copy(update={"max_num_seqs": max(_FEWEST_SEQUENCES, fewer.max_num_seqs // 2)})
            yield fewer
            yield from share(fewer)

    def shorter_sequences(settings: ServerSettings) -> Iterator[ServerSettings]:
        for length in _down(settings.max_model_len, _SHORTEST):
            shorter = settings.model_copy(update={"max_model_len": length})
            yield shorter
            yield from share(shorter)

    return (share, fewer_sequences, shorter_sequences)


def _checkpointing(settings: Trained) -> Iterator[Trained]:
    yield settings.model_copy(update={"gradient_checkpointing": True})


def _down(value: int, least: int) -> Iterator[int]:
    """Multiples of `_STEP` below `value`, down to `least`, which comes last."""
    yield from range((value - 1) // _STEP * _STEP, least, -_STEP)
    if least < value:
        yield least


def _shares(share: float, least: float) -> Iterator[float]:
    """Hundredths from `share` down to the least that is enough; where it is too small, that least alone."""
    hundredths = 10**_SHARE_DIGITS
    lowest = math.ceil(least * hundredths)
    if lowest / hundredths > _LARGEST_SHARE:
        return
    now = round(share * hundredths)
    yield from (value / hundredths for value in (range(now - 1, lowest - 1, -1) if lowest <= now else (lowest,)))
