"""Settings of the training room: the checkpoint to start from, and how it is tuned."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from fc_assets.profiles.sections import Batch, Count, MaxSteps, Positive, Scheduler, Section, Share

EMBEDDED = Path(__file__).parents[1] / "training" / "demo" / "model"
"""The checkpoint of `base_model.source: embedded`, which ships with the package."""


class BaseModelSettings(Section):
    """`base_model`."""

    source: Literal["embedded", "hub", "folder"] = Field(
        "hub", description="Where the checkpoint comes from: the package, the hub, or a folder."
    )
    model: str = Field("Qwen/Qwen3-0.6B", description="Hub name of the checkpoint, for source `hub`.")
    revision: str = Field("main", description="Hub revision: pin a commit for a reproducible run.")
    path: str = Field("", description="Folder with a checkpoint, for source `folder`.")


class LoraSettings(Section):
    """The adapter, for both SFT and GRPO."""

    rank: Positive = Field(32, description="Rank of the two matrices beside each layer: how much can be learnt.")
    alpha: Positive = Field(64, description="Strength of the adapter, which is scaled by alpha / rank.")
    dropout: Share = Field(0.05, description="Share of the adapter's inputs that are left out at random in training.")
    target_modules: str = Field("all-linear", description="Layers that get an adapter, as peft names them.")
    rslora: bool = Field(False, description="Scales by alpha / sqrt(rank) and not by alpha / rank (rank-stabilised).")


class TrackerSettings(Section):
    """Where trainings report while they run, beside the page and TensorBoard's event files. It makes no asset."""

    report_to: tuple[str, ...] = Field(
        (),
        description="Trackers by the names that transformers gives them, such as wandb or mlflow. Their packages and "
        "their credentials must be in the environment of the code location.",
    )


class MergeSettings(Section):
    """How exactly a merged model must be its base plus the adapter, after SFT and after GRPO."""

    max_error: Annotated[float, Field(gt=0)] = Field(
        0.01,
        description="How far the logits of the merge in fp32 may be off, as a share of what the adapter changes.",
    )
    max_rounding_kl: Annotated[float, Field(gt=0)] = Field(
        0.01,
        description="How far the saved checkpoint may be from base plus adapter: KL divergence in nats per token.",
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
    learning_rate: Annotated[float, Field(gt=0)] = Field(
        2e-4, description="Highest learning rate, at the end of the warm-up."
    )
    scheduler: Scheduler = Field("cosine", description="Course of the learning rate, by transformers' name for it.")
    warmup_share: Share = Field(0.03, description="Share of the steps in which the learning rate rises from 0.")
    epochs: Annotated[float, Field(gt=0)] = Field(3.0, description="Passes over the training rows.")
    max_steps: MaxSteps = Field(-1, description="Stops earlier than `epochs`; -1 does not.")
    max_length: Positive = Field(2048, description="Tokens per sequence; what is longer is never cut: see `overlong`.")
    overlong: Literal["drop", "fail"] = Field(
        "drop", description="Turns longer than `max_length`: left out, counted and listed in the report, or an error."
    )
    bf16: bool = Field(True, description="Compute in bfloat16; off on a CPU, where fp32 is used.")
    qlora: bool = Field(
        False,
        description="Trains on the base in 4 bits (NF4), for cards with little memory; needs CUDA and bitsandbytes. "
        "The adapter is merged into the base as it is, not into the quantised one.",
    )
    gradient_checkpointing: bool = Field(
        True, description="Compute activations again in the backward pass: less memory, a third more time."
    )
    log_every: Positive = Field(10, description="Steps between two lines of the training's log.")
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
    merge: MergeSettings = MergeSettings()
    seed: int = Field(42, description="Seed of everything drawn here; the same seed gives the same result.")


class RewardWeights(Section):
    """Weights of the reward signals; a weight of 0 still logs the signal."""

    json_parse: Annotated[float, Field(ge=0)] = Field(0.25, description="Weight of: the answer parses and has a call.")
    schema_hit: Annotated[float, Field(ge=0)] = Field(0.25, description="Weight of: the F1 of the names called.")
    simulated_exec: Annotated[float, Field(ge=0)] = Field(
        0.25, description="Weight of: the share of calls that run on their stubs."
    )
    semantic_match: Annotated[float, Field(ge=0)] = Field(0.25, description="Weight of: the F1 of the arguments.")
    hygiene: Annotated[float, Field(ge=0)] = Field(
        0.0, description="Weight of: how much of the answer's text is calls."
    )
    gated: Annotated[float, Field(ge=0)] = Field(
        0.0,
        description="The four signals in one, each counted only as far as those before it hold: reading, values, "
        "names, execution. To use it instead of their sum, set it to 1 and the four to 0, which still logs them.",
    )


class GrpoSettings(Section):
    """`grpo_policy`: group-relative policy optimisation with trl's GRPOTrainer, from the merged model."""

    lora: LoraSettings = Field(
        LoraSettings(dropout=0.0),
        description="Without dropout: with it, the model that is trained is not the one that sampled the completions.",
    )
    rewards: RewardWeights = RewardWeights()
    prompts_per_step: Positive = Field(
        8, description="Prompts of one step of the optimizer, each with its group of completions."
    )
    no_call_share: Share = Field(0.25, description="Share of the prompts that expect no call: keeps refusing alive.")
    generations: Annotated[int, Field(ge=2)] = Field(8, description="Completions sampled for each prompt.")
    max_prompt: Positive = Field(
        2048,
        description="Tokens of the longest prompt that is asked; turns with longer ones are left out and counted. vLLM "
        "is started for max_prompt + max_completion tokens: a whole sequence of Qwen3-0.6B has 112 KiB of KV cache "
        "for each of them.",
    )
    overlong: Literal["drop", "fail"] = Field(
        "drop", description="Turns whose prompt is longer: left out, counted and listed in the report, or an error."
    )
    micro_batch_tokens: Positive = Field(
        8192,
        description="Tokens, padding included, of one forward and backward pass. A step's completions are split into "
        "as many equal passes as this asks for. It changes memory and speed, not what is learnt.",
    )
    candidates_per_prompt: Positive = Field(
        2,
        description="Turns that expect a call are sampled before training, so many for each one that is needed; those "
        "whose completions all earn the same are left out: nothing can be learnt from them. 1 samples none. Sampling "
        "2 x 4,000 turns, 64,000 completions of some 80 tokens, takes 20 minutes at 4,000 tokens/s.",
    )
    steps: Positive = Field(
        500,
        description="Steps of the optimizer. By arithmetic for a card with 12 GB, not measured: one is 8 x 8 "
        "completions of some 1,100 tokens, padded, and takes 8 x 440 M operations a token (log-probabilities, forward, "
        "forward again for checkpointing, backward: 2 each for every weight that is no embedding). That is 2.5e14, or "
        "10 to 25 s at 1 to 2.5e13/s, and 3 to 5 s for sampling. So 500 steps are 2 to 4 hours and 4,000 prompts, 7 % "
        "of xLAM's 54,000.",
    )
    learning_rate: Annotated[float, Field(gt=0)] = Field(
        2e-5, description="Highest learning rate, at the end of the warm-up."
    )
    scheduler: Scheduler = Field(
        "constant_with_warmup", description="Course of the learning rate, by transformers' name for it."
    )
    warmup_share: Share = Field(0.03, description="Share of the steps in which the learning rate rises from 0.")
    beta: Annotated[float, Field(ge=0)] = Field(0.0, description="Weight of the KL term against the merged model.")
    temperature: Annotated[float, Field(gt=0)] = Field(
        1.0, description="Sampling temperature of the completions; 1 samples the model as it is."
    )
    max_completion: Positive = Field(256, description="Tokens sampled at most for one completion.")
    bf16: bool = Field(True, description="Compute in bfloat16; off on a CPU, where fp32 is used.")
    gradient_checkpointing: bool = Field(
        True, description="Compute activations again in the backward pass: less memory, a third more time."
    )
    vllm_colocate: bool = Field(True, description="Sample with vLLM inside the trainer's process (GPU only).")
    vllm_memory_share: Share = Field(0.3, description="Share of the card's memory that vLLM takes while it samples.")
    vllm_sleep: bool = Field(
        False,
        description="vLLM frees its memory while the optimizer works, so that the two share the card in turns; it "
        "costs waking and handing it all weights at each step, about a second for Qwen3-0.6B.",
    )
    log_every: Positive = Field(1, description="Steps between two lines of the training's log.")
    save_every: Positive = Field(50, description="Steps between checkpoints, and between two probes.")
    probe_rows: Count = Field(
        64,
        description="Training turns that are kept out and answered greedily at each checkpoint, to see whether answers "
        "become right as the reward rises; 0 asks none.",
    )
    seed: int = Field(42, description="Seed of everything drawn here; the same seed gives the same result.")


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
    temperature: Annotated[float, Field(gt=0)] = Field(
        1.0, description="Sampling temperature of the completions; 1 samples the model as it is."
    )
    max_completion: Positive = Field(256, description="Tokens sampled at most for one completion.")
    engine: Literal["vllm", "transformers"] = Field(
        "vllm", description="What samples: vLLM in a process of its own, or transformers where vLLM does not run."
    )
    sampling_batch: Batch = Field(64, description="Completions sampled together by engine transformers.")
    vllm_memory_share: Share = Field(0.8, description="Share of the card's memory that engine vllm takes.")
    min_margin: Annotated[float, Field(gt=0)] = Field(
        0.1, description="Least difference in reward between best and worst; groups below it give no pair."
    )
    expected_as_best: bool = Field(
        True, description="Where no sample earns the full reward, the row's expected answer is the better one."
    )
    max_length: Positive = Field(2048, description="Tokens of prompt and completion; longer pairs are left out.")
    batch_size: Batch = Field(2, description="Pairs per device and step: twice as many sequences.")
    gradient_accumulation: Positive = Field(
        8, description="Passes of `batch_size` pairs that one step of the optimizer learns from."
    )
    learning_rate: Annotated[float, Field(gt=0)] = Field(
        5e-6, description="Highest learning rate, at the end of the warm-up."
    )
    scheduler: Scheduler = Field("linear", description="Course of the learning rate, by transformers' name for it.")
    warmup_share: Share = Field(0.1, description="Share of the steps in which the learning rate rises from 0.")
    epochs: Annotated[float, Field(gt=0)] = Field(1.0, description="Passes over the pairs.")
    max_steps: MaxSteps = Field(-1, description="Stops earlier than `epochs`; -1 does not.")
    beta: Annotated[float, Field(gt=0)] = Field(0.1, description="How strongly the policy is held to the merged model.")
    bf16: bool = Field(True, description="Compute in bfloat16; off on a CPU, where fp32 is used.")
    gradient_checkpointing: bool = Field(
        True, description="Compute activations again in the backward pass: less memory, a third more time."
    )
    log_every: Positive = Field(1, description="Steps between two lines of the training's log.")
    save_every: Positive = Field(50, description="Steps between checkpoints; a killed run resumes from the last.")
    seed: int = Field(42, description="Seed of everything drawn here; the same seed gives the same result.")
