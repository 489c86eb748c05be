"""Settings of the training room: the checkpoint to start from, and how it is tuned."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from fc_assets.profiles.sections import Positive, Section, Share

EMBEDDED = Path(__file__).parents[1] / "training" / "demo" / "model"
"""The checkpoint of `base_model.source: embedded`, which ships with the package."""


class BaseModelSettings(Section):
    """`base_model`."""

    source: Literal["embedded", "hub", "folder"] = "hub"
    model: str = "Qwen/Qwen3-0.6B"
    revision: str = Field("main", description="Hub revision: pin a commit for a reproducible run.")
    path: str = Field("", description="Folder with a checkpoint, for source `folder`.")


class LoraSettings(Section):
    """The adapter, for both SFT and GRPO."""

    rank: Positive = 32
    alpha: Positive = 64
    dropout: Share = 0.05
    target_modules: str = "all-linear"


class SftSettings(Section):
    """`lora_adapter`: supervised fine-tuning with trl's SFTTrainer, loss on the answer only."""

    lora: LoraSettings = LoraSettings()
    batch_size: Positive = Field(2, description="Sequences per device and step.")
    gradient_accumulation: Positive = 8
    learning_rate: Annotated[float, Field(gt=0)] = 2e-4
    scheduler: str = "cosine"
    warmup_share: Share = 0.03
    epochs: Annotated[float, Field(gt=0)] = 3.0
    max_steps: int = Field(-1, description="Stops earlier than `epochs`; -1 does not.")
    max_length: Positive = Field(2048, description="Tokens per sequence; longer ones are left out and counted.")
    bf16: bool = True
    gradient_checkpointing: bool = True
    log_every: Positive = 10
    save_every: Positive = Field(200, description="Steps between checkpoints; a killed run resumes from the last.")
    max_merge_logit_difference: Annotated[float, Field(gt=0)] = Field(
        0.25, description="Largest difference between logits with the adapter attached and merged (bf16 rounding)."
    )
    seed: int = 42


class RewardWeights(Section):
    """Weights of the reward signals; a weight of 0 still logs the signal."""

    json_parse: Annotated[float, Field(ge=0)] = 0.25
    schema_hit: Annotated[float, Field(ge=0)] = 0.25
    simulated_exec: Annotated[float, Field(ge=0)] = 0.25
    semantic_match: Annotated[float, Field(ge=0)] = 0.25
    hygiene: Annotated[float, Field(ge=0)] = 0.0


class GrpoSettings(Section):
    """`grpo_policy`: group-relative policy optimisation with trl's GRPOTrainer, from the merged model."""

    lora: LoraSettings = LoraSettings()
    rewards: RewardWeights = RewardWeights()
    prompts_per_step: Positive = 8
    no_call_share: Share = Field(0.25, description="Share of the prompts that expect no call: keeps refusing alive.")
    generations: Annotated[int, Field(ge=2)] = Field(8, description="Completions sampled for each prompt.")
    gradient_accumulation: Positive = 8
    steps: Positive = 300
    learning_rate: Annotated[float, Field(gt=0)] = 2e-5
    scheduler: str = "constant_with_warmup"
    warmup_share: Share = 0.03
    beta: Annotated[float, Field(ge=0)] = Field(0.0, description="Weight of the KL term against the merged model.")
    temperature: Annotated[float, Field(gt=0)] = 1.0
    max_completion: Positive = Field(256, description="Tokens sampled at most for one completion.")
    bf16: bool = True
    gradient_checkpointing: bool = True
    vllm_colocate: bool = Field(True, description="Sample with vLLM inside the trainer's process (GPU only).")
    vllm_memory_share: Share = 0.3
    log_every: Positive = 1
    save_every: Positive = 50
    seed: int = 42


class DpoSettings(Section):
    """`dpo_policy`: direct preference optimisation with trl's DPOTrainer, from the merged model: an arm beside GRPO.

    Pairs are judged by the rewards of section `grpo`. Training's defaults are those of trl's own recipe for LoRA on a
    model of this size (trl 1.16, scripts/dpo.py: Qwen2-0.5B, rank 32, 5e-6, batches of 16 pairs, one epoch); its beta
    is that of the method's authors (Rafailov et al. 2023, arXiv 2305.18290, appendix B).
    """

    enabled: bool = Field(
        False,
        description="Whether the graph has this arm: `dpo_policy`, and variant dpo in the comparison. The graph is "
        "built when the code location is loaded, so set it in the profile: a run that changes it is refused.",
    )
    lora: LoraSettings = LoraSettings()
    prompts: Positive = Field(4000, description="Training turns for which a group of completions is sampled.")
    no_call_share: Share = Field(0.25, description="Share of them that expect no call.")
    generations: Annotated[int, Field(ge=2)] = Field(8, description="Completions sampled for each prompt.")
    temperature: Annotated[float, Field(gt=0)] = 1.0
    max_completion: Positive = Field(256, description="Tokens sampled at most for one completion.")
    engine: Literal["vllm", "transformers"] = Field(
        "vllm", description="What samples: vLLM in a process of its own, or transformers where vLLM does not run."
    )
    sampling_batch: Positive = Field(64, description="Completions sampled together by engine transformers.")
    vllm_memory_share: Share = Field(0.8, description="Share of the card's memory that engine vllm takes.")
    min_margin: Annotated[float, Field(gt=0)] = Field(
        0.1, description="Least difference in reward between best and worst; groups below it give no pair."
    )
    expected_as_best: bool = Field(
        True, description="Where no sample earns the full reward, the row's expected answer is the better one."
    )
    max_length: Positive = Field(2048, description="Tokens of prompt and completion; longer pairs are left out.")
    batch_size: Positive = Field(2, description="Pairs per device and step: twice as many sequences.")
    gradient_accumulation: Positive = 8
    learning_rate: Annotated[float, Field(gt=0)] = 5e-6
    scheduler: str = "linear"
    warmup_share: Share = 0.1
    epochs: Annotated[float, Field(gt=0)] = 1.0
    max_steps: int = Field(-1, description="Stops earlier than `epochs`; -1 does not.")
    beta: Annotated[float, Field(gt=0)] = Field(0.1, description="How strongly the policy is held to the merged model.")
    bf16: bool = True
    gradient_checkpointing: bool = True
    log_every: Positive = 1
    save_every: Positive = Field(50, description="Steps between checkpoints; a killed run resumes from the last.")
    seed: int = 42
