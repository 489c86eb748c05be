"""Settings of the evaluation room: what is asked, how it is scored, and the gates before a promotion."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fc_assets.profiles.sections import Batch, Count, Positive, Section, Share


class EvaluationSettings(Section):
    """`predictions/*` and `eval_report`."""

    engine: Literal["vllm", "transformers"] = Field(
        "vllm",
        description="vllm: the server of section `server`. transformers: where vLLM does not run; a process of its own "
        "with that section's device, dtype and max_model_len, slower and without constrained decoding.",
    )
    batch_size: Batch = Field(8, description="Answers generated together by engine transformers.")
    max_rows: Count = Field(2000, description="Validation turns asked, the first of the split; 0 asks all.")
    concurrency: Positive = Field(32, description="Requests under way at once.")
    max_tokens: Positive = Field(512, description="Most tokens of an answer; one that is longer is cut and counted.")
    request_timeout_s: Positive = Field(120, description="Longest wait for one answer, seconds.")
    retries: Count = Field(4, description="Further tries of a request that failed.")
    max_failed_share: Share = Field(0.01, description="More requests than this without an answer fail the step.")
    constrained_rows: Count = Field(
        500, description="Turns expecting a call that are asked again with calls forced by the tools' schemas."
    )
    parity_rows: Annotated[int, Field(ge=50)] = Field(
        64, description="Turns whose token ids are compared between server and training, if there are that many."
    )
    episodes: Count = Field(
        200, description="Conversations with tools that run, played against each variant; 0: none, and no gate on them."
    )
    episode_answers: Positive = Field(4, description="Most answers to one message of an episode's user.")
    bootstrap_samples: Positive = Field(10_000, description="Draws of the bootstrap behind the intervals of ratios.")
    embedding_model: str = Field(
        "", description="Sentence-embedding model, folder or hub name, for embedding similarity; empty: not measured."
    )
    embedding_revision: str = Field("main", description="Its hub revision: pin a commit for a reproducible run.")
    seed: int = Field(42, description="Seed of everything drawn here; the same seed gives the same result.")


class BfclBudgets(Section):
    """The most tokens of an answer in each prompt mode, less where a prompt leaves less room in the model."""

    chat_template: Positive = Field(512, description="With thinking off; in tokens.")
    official: Positive = Field(4096, description="With thinking on, as the leaderboard asks; in tokens.")


class BfclSettings(Section):
    """`bfcl_scores/*`: the Berkeley Function Calling Leaderboard's official checker in an environment of its own."""

    python: str = Field(
        "", description="Python of the environment that holds bfcl-eval; empty: $FC_BFCL_PYTHON, else .venv-bfcl."
    )
    rows_per_category: Count = Field(0, description="Stratified sample per category; 0 takes all rows.")
    categories: tuple[str, ...] = Field(
        (
            "simple_python",
            "simple_java",
            "simple_javascript",
            "multiple",
            "parallel",
            "parallel_multiple",
            "live_simple",
            "live_multiple",
            "live_parallel",
            "live_parallel_multiple",
            "irrelevance",
            "live_irrelevance",
            "live_relevance",
            "multi_turn_base",
            "multi_turn_miss_func",
            "multi_turn_miss_param",
            "multi_turn_long_context",
            "memory_kv",
            "memory_rec_sum",
        ),
        min_length=1,
        description="Those of multi_turn and memory are conversations with the leaderboard's own tools; with long "
        "context they take up to some 20,000 tokens of `server.max_model_len`.",
    )
    prompt_modes: tuple[Literal["chat_template", "official"], ...] = Field(
        ("chat_template", "official"),
        min_length=1,
        description="The model's own template, and the prompt behind the leaderboard's Qwen numbers; the first leads.",
    )
    max_tokens: BfclBudgets = BfclBudgets()
    seed: int = Field(42, description="Seed of the sample of rows.")


class Thresholds(Section):
    """Least values for one variant's gates; a gate compares the point estimate."""

    parse_rate: Share = Field(description="Least share of the answers that parse.")
    function_name_accuracy: Share = Field(description="Least share of the answers with the expected names.")
    param_f1: Share = Field(description="Least F1 over key-value pairs.")
    schema_hit: Share = Field(description="Least share of the rows expecting a call whose calls keep their schemas.")
    exec_rate: Share = Field(description="Least share of the rows expecting a call whose calls run.")
    irrelevance_accuracy: Share = Field(
        0.6,
        description="Rows that expect no call and got none, whatever base does on them: it may never refuse either.",
    )


class QuantisationLoss(Section):
    """How much exact match a quantised file may lose against F16, which must have more than that: the upper end of the
    one-sided 95 % interval of the loss on the same rows."""

    q8_0: Share = Field(0.01, description="For the Q8_0 file.")
    q4_k_m: Share = Field(0.03, description="For the Q4_K_M file.")

    def of(self, kind: str) -> float:
        """What the file of this type may lose."""
        return {"Q8_0": self.q8_0, "Q4_K_M": self.q4_k_m}[kind]


class OwnToolsThresholds(Section):
    """Least values on held-out rows about a user's own tools; a gate compares the point estimate."""

    function_name_accuracy: Share = Field(0.9, description="Least share with the expected function names.")
    exact_match: Share = Field(0.7, description="Least share of exact matches.")


class OwnToolsGates(Section):
    """The bars for each kind of held-out rows; there are no such gates where a profile has no own tools."""

    held_out_templates: OwnToolsThresholds = OwnToolsThresholds(exact_match=0.8)
    held_out_tools: OwnToolsThresholds = OwnToolsThresholds()


class GateSettings(Section):
    """What must hold before a policy may be promoted."""

    min_gold_ceiling: Share = Field(0.95, description="Share of expected calls that validate against their schema.")
    max_overlong_share: Share = Field(
        0.02, description="Training turns that do not fit `sft.max_length` or `grpo.max_prompt`."
    )
    sft: Thresholds = Thresholds(
        parse_rate=0.95, function_name_accuracy=0.90, param_f1=0.85, schema_hit=0.88, exec_rate=0.80
    )
    grpo: Thresholds = Thresholds(
        parse_rate=0.97, function_name_accuracy=0.93, param_f1=0.90, schema_hit=0.92, exec_rate=0.88
    )
    dpo: Thresholds = Thresholds(
        parse_rate=0.97, function_name_accuracy=0.93, param_f1=0.90, schema_hit=0.92, exec_rate=0.88
    )
    significance: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.05, description="A paired test's corrected p-value must lie below this."
    )
    non_inferiority_margin: Share = Field(
        0.02,
        description="How much exact match GRPO or DPO may lose against SFT, and a policy against the promoted one.",
    )
    min_gain_over_sft: Annotated[float, Field(ge=-1, le=1)] = Field(
        0.0,
        description="The 95 % interval of what GRPO or DPO gains in exact match over SFT must lie above this. Below 0 "
        "a policy without a gain is promoted too: -0.02 asks only that no more than 0.02 is lost beyond doubt.",
    )
    min_base_parse_rate: Share = Field(
        0.2,
        description="Share of the base model's answers that parse leniently; below it something is wrong with how base "
        "was asked, and being better than it says nothing.",
    )
    episodes_block: bool = Field(True, description="Whether the gates on episodes stop a variant; else they warn.")
    episodes_margin: Share = Field(0.05, description="How much of the episodes' success may be lost against base.")
    min_episode_success: Share = Field(0.02, description="Least share of the episodes in which a variant succeeds.")
    own_tools: OwnToolsGates = OwnToolsGates()
    irrelevance_margin: Share = Field(0.05, description="How much irrelevance accuracy may fall below base.")
    min_bfcl_parse_rate: Share = Field(0.5, description="Share of BFCL answers that parse, rows expecting a call.")
    min_bfcl_call_accuracy: Share = Field(
        0.3, description="Share of the sampled BFCL rows that expect a call which the official checker finds right."
    )
    max_quantisation_loss: QuantisationLoss = QuantisationLoss()
    max_edge_first_token_s: Annotated[float, Field(gt=0)] = Field(
        0.1, description="Median time to the first token of each GGUF file, seconds; more is a warning."
    )
    max_edge_rss_gb: Annotated[float, Field(gt=0)] = Field(
        4.0, description="Peak memory of the process that runs a GGUF file, GB (10^9 bytes)."
    )
