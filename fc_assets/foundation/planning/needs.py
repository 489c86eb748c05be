"""What each step of a profile needs of a machine: memory of card and process, KV cache, disk. All in bytes.

The sums are `training_memory`, `vllm_memory` and `disk`; here they are put together from the profile's sections.
Whether a machine has it is `fit`.
"""

from __future__ import annotations

from dataclasses import dataclass

from fc_assets.foundation.gpu import Card, UnknownCard
from fc_assets.foundation.planning import disk
from fc_assets.foundation.planning.shape import ModelShape
from fc_assets.foundation.planning.training_memory import (
    BF16,
    FP32,
    PROCESS_RAM,
    MemorySum,
    TrainerLoad,
    at_rest,
    on_device,
    trainer_memory,
)
from fc_assets.foundation.planning.vllm_memory import VllmLoad, kv_bytes_per_token, kv_tokens
from fc_assets.profiles import GrpoSettings, ServerSettings, SftSettings

_GIB = 2**30
_CUDA_HOST_RAM = 1_500_000_000
"""Main memory of a process that uses a card, besides its own: CUDA's libraries and pinned buffers; an assumption."""
_VLLM_RAM = 3_000_000_000
"""Main memory of vLLM's processes, besides weights and cache; an assumption."""
_COMPARED_LOGITS = 500_000_000
"""Hidden states and slices of logits while two models are compared; bounded, see `training.merging.comparison`."""


@dataclass(frozen=True)
class KvCache:
    """Tokens that one sequence may have, and those that the cache holds."""

    sequence: int
    held: int


@dataclass(frozen=True)
class Need:
    """What a step takes at its peak. `gpu` is None where it uses no card, `kv` where it starts no vLLM."""

    gpu: MemorySum | None
    ram: MemorySum
    disk: int
    kv: KvCache | None = None


AnyCard = Card | UnknownCard | None


def sft_need(shape: ModelShape, settings: SftSettings, card: AnyCard) -> Need:
    """Supervised fine-tuning. A row of `max_length` has a pass of its own where the budget of tokens is smaller."""
    width = BF16 if settings.bf16 else FP32
    tokens = max(settings.micro_batch_tokens, settings.max_length)
    load = TrainerLoad(
        tokens=tokens,
        length=settings.max_length,
        scored=tokens,  # answers alone are scored; how long they are is not known before the data is read
        rank=settings.lora.rank,
        dropout=settings.lora.dropout > 0,
        checkpointing=settings.gradient_checkpointing,
        width=width,
        device="cpu" if card is None else "cuda",
    )
    files = disk.resume_files(shape, load.rank) + disk.adapter_file(shape, load.rank)
    return Need(*_trainer(shape, load), files)


def merge_need(shape: ModelShape, settings: SftSettings, card: AnyCard) -> Need:
    """Merging an adapter and comparing: in main memory, on any machine."""
    ram = MemorySum({"process": PROCESS_RAM, **_merging(shape)})
    return Need(None, ram, disk.model_files(shape, BF16 if settings.bf16 else FP32))


def _merging(shape: ModelShape) -> dict[str, int]:
    """One model at a time in fp32, the output matrix that another one left, and what is compared with both."""
    return {
        "merging in fp32": shape.parameters * FP32,
        "kept output matrix": shape.vocabulary * shape.hidden * FP32,
        "compared logits": _COMPARED_LOGITS,
    }


def grpo_need(shape: ModelShape, settings: GrpoSettings, card: AnyCard) -> Need:
    """GRPO, with vLLM beside the trainer where the profile has it colocated, and the merge at its end."""
    width = BF16 if settings.bf16 else FP32
    length = settings.max_prompt + settings.max_completion
    rows = max(1, settings.micro_batch_tokens // length)
    load = TrainerLoad(
        tokens=max(settings.micro_batch_tokens, length),
        length=length,
        scored=rows * settings.max_completion,
        rank=settings.lora.rank,
        dropout=settings.lora.dropout > 0,
        checkpointing=settings.gradient_checkpointing,
        width=width,
        device="cpu" if card is None else "cuda",
    )
    gpu, ram = _trainer(shape, load)
    merging = {"merging at the end": sum(_merging(shape).values())}
    resting = on_device(at_rest(trainer_memory(shape, load)), load.device) if gpu is None else ram
    ram = _larger(ram, MemorySum({**resting.parts, **merging}))
    files = (
        disk.resume_files(shape, load.rank) + disk.adapter_file(shape, 2 * load.rank) + disk.model_files(shape, width)
    )
    if not settings.vllm_colocate:
        return Need(gpu, ram, files)
    ram = MemorySum({**ram.parts, "vLLM": _VLLM_RAM})
    if gpu is None or not isinstance(card, Card):
        return Need(gpu, ram, files)
    vllm = colocated_load(settings, card)
    return Need(
        _in_turns(shape, load, gpu, vllm) if settings.vllm_sleep else MemorySum({**gpu.parts, "vLLM": vllm.taken}),
        ram,
        files,
        KvCache(length, kv_tokens(shape, vllm)),
    )


def server_need(shape: ModelShape, settings: ServerSettings, card: AnyCard) -> Need:
    """A vLLM server, on the card or, with `device: cpu`, in main memory."""
    width = FP32 if settings.dtype == "float32" else BF16
    if settings.device == "cpu":
        cache = settings.kv_cache_gib * _GIB
        ram = MemorySum({"vLLM": _VLLM_RAM, "weights": shape.parameters * width, "KV cache": cache})
        held = cache // kv_bytes_per_token(shape, width)
        return Need(None, ram, 0, KvCache(settings.max_model_len, held))
    ram = MemorySum({"vLLM": _VLLM_RAM, "weights on their way": shape.parameters * width})
    if not isinstance(card, Card):
        return Need(MemorySum({"weights": shape.parameters * width}), ram, 0)
    vllm = server_load(settings, card)
    return Need(MemorySum({"vLLM": vllm.taken}), ram, 0, KvCache(settings.max_model_len, kv_tokens(shape, vllm)))


def colocated_load(settings: GrpoSettings, card: Card) -> VllmLoad:
    """The vLLM inside the trainer: as many sequences at once as a step has completions."""
    return VllmLoad(
        card=card.total,
        share=settings.vllm_memory_share,
        max_model_len=settings.max_prompt + settings.max_completion,
        max_num_seqs=settings.prompts_per_step * settings.generations,
        colocated=True,
    )


def server_load(settings: ServerSettings, card: Card) -> VllmLoad:
    """The vLLM server that evaluation and the benchmark start."""
    return VllmLoad(
        card=card.total,
        share=settings.gpu_memory_share,
        max_model_len=settings.max_model_len,
        max_num_seqs=settings.max_num_seqs,
        max_num_batched_tokens=settings.max_num_batched_tokens,
        eager=settings.enforce_eager,
        width=FP32 if settings.dtype == "float32" else BF16,
    )


def _trainer(shape: ModelShape, load: TrainerLoad) -> tuple[MemorySum | None, MemorySum]:
    """What a trainer takes of the card (None without one) and of main memory."""
    peak = on_device(trainer_memory(shape, load), load.device)
    if load.device == "cpu":
        return None, peak
    ram = {"process": PROCESS_RAM, "CUDA": _CUDA_HOST_RAM, "weights on their way": shape.parameters * load.width}
    return peak, MemorySum(ram)


def _in_turns(shape: ModelShape, load: TrainerLoad, training: MemorySum, vllm: VllmLoad) -> MemorySum:
    """The larger of two phases: training while vLLM sleeps and keeps its graphs, sampling while the trainer rests."""
    asleep = MemorySum({**training.parts, "vLLM asleep": vllm.taken - vllm.budget})
    resting = on_device(at_rest(trainer_memory(shape, load)), load.device)
    return _larger(asleep, MemorySum({**resting.parts, "vLLM": vllm.taken}))


def _larger(first: MemorySum, second: MemorySum) -> MemorySum:
    """The larger of two phases that never overlap."""
    return max(first, second, key=lambda phase: phase.total)
