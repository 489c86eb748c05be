"""Settings of the training room: the checkpoint to start from, and how it is tuned."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from fc_assets.profiles.sections import Count, Positive, Section, Share

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
    rslora: bool = Field(False, description="Scales by alpha / sqrt(rank) and not by alpha / rank (rank-stabilised).")


class TrackerSettings(Section):
    """Where trainings report while they run, beside the page and TensorBoard's event files. It makes no asset."""

    report_to: tuple[str, ...] = Field(
        (),
        description="Trackers by the names that transformers gives them, such as wandb or mlflow. Their packages and "
        "their credentials must be in the environment of the code location.",
    )


class SftSettings(Section):
    """`lora_adapter`: supervised fine-tuning with trl's SFTTrainer, loss on the answer only."""

    lora: LoraSettings = LoraSettings()
    rows_per_step: Positive = Field(16, description="Rows (sequences) that one step of the optimizer learns from.")
    micro_batch_tokens: Positive = Field(
        4096,
        description="Tokens, padding included, of one forward and backward pass. A step's rows are split into as many "
        "passes as this asks for; a longer row has a pass of its own. It changes memory and speed, not what is learnt.",
    )
    learning_rate: Annotated[float, Field(gt=0)] = 2e-4
    scheduler: str = "cosine"
    warmup_share: Share = 0.03
    epochs: Annotated[float, Field(gt=0)] = 3.0
    max_steps: int = Field(-1, description="Stops earlier than `epochs`; -1 does not.")
    max_length: Positive = Field(2048, description="Tokens per sequence; longer ones are left out and counted.")
    bf16: bool = True
    qlora: bool = Field(
        False,
        description="Trains on the base in 4 bits (NF4), for cards with little memory; needs CUDA and bitsandbytes. "
        "The adapter is merged into the base as it is, not into the quantised one.",
    )
    gradient_checkpointing: bool = True
    log_every: Positive = 10
    save_every: Positive = Field(200, description="Steps between checkpoints; a killed run resumes from the last.")
    validation_rows: Count = Field(
        64,
        description="Rows held out from the training split. At each checkpoint their loss is measured and their turns "
        "are answered; the checkpoint with the most exact matches is kept, of several the one with the lowest loss. "
        "0 turns it off: the last checkpoint is kept.",
    )
    early_stopping: Count = Field(
        0, description="Validations in a row without a better checkpoint after which training stops; 0 never stops it."
    )
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
