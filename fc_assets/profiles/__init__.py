"""Profiles: every setting of every stage, typed, read from `profiles/*.yaml`.

The defaults written here are the full recipe for Qwen3-0.6B; a YAML file names only what its machine needs
otherwise. Unknown keys are refused. A field's meaning, unit and default are documented here and nowhere else; the
code that acts on a field is in its stage's room.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fc_assets.errors import FcAssetsError

PROFILE_VARIABLE = "FC_PROFILE"
DEFAULT_PROFILE = "demo"
PROFILES = Path(__file__).parent
EMBEDDED = Path(__file__).parents[1] / "training" / "demo" / "model"
"""The checkpoint of `base_model.source: embedded`, which ships with the package."""

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """Base of all sections: immutable, and strict about unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CurationSettings(Section):
    """Which rows of the normalised table become conversations. Exact duplicates never do."""

    near_duplicates: Literal["keep", "flag", "drop"] = Field(
        "flag", description="Rows whose query nearly repeats an earlier one (MinHash); they share a side of the split."
    )
    near_duplicate_similarity: Annotated[float, Field(gt=0, le=1)] = Field(
        0.9, description="Least Jaccard similarity of two rows' word triples to be near-duplicates."
    )
    bfcl: Literal["keep", "flag", "drop"] = Field(
        "drop", description="Rows that repeat a question of the Berkeley Function Calling Leaderboard."
    )
    gold: Literal["keep", "coerce", "drop"] = Field(
        "coerce", description="Expected calls that do not earn all four rewards: `coerce` mends values of another type."
    )
    masked_share: Share = Field(0.0, description="Share of rows whose function and parameter names are replaced.")
    observations: bool = Field(False, description="Append the stubs' results to single-turn rows that expect a call.")


class HermesSettings(Section):
    """A second source of rows: conversations with `<tools>` and `<tool_call>` in the text, single and multi-turn."""

    weight: Annotated[float, Field(ge=0)] = Field(0.0, description="Rows for each row of the first source; 0: none.")
    path: str = Field("", description="Local file or folder of such conversations; empty: from the hub.")
    dataset: str = Field("NousResearch/hermes-function-calling-v1", description="Hub data set, Apache-2.0.")
    revision: str = Field("main", description="Hub revision: pin a commit for a reproducible run.")
    configs: tuple[str, ...] = ("func_calling_singleturn", "func_calling")


class DataSettings(Section):
    """`xlam_raw` and `sharegpt_splits`."""

    source: Literal["generator", "hub", "file"] = "hub"
    dataset: str = Field("Salesforce/xlam-function-calling-60k", description="Hub data set; gated, CC-BY-4.0.")
    revision: str = Field("main", description="Hub revision: pin a commit for a reproducible run.")
    path: str = Field(
        "", description="For source `file`: xLAM's form as .json, .jsonl (also .gz, .zst), .parquet; or a folder."
    )
    licence: str = Field("unknown", description="Licence of the rows of source `file`.")
    rows: Count = Field(0, description="How many rows to generate (`generator`) or to keep (else; 0 keeps all).")
    broken_rows: Count = Field(0, description="Malformed rows that the generator adds, to show the quarantine.")
    irrelevance_share: Share = Field(0.1, description="Share of rows whose tools cannot answer the query.")
    max_reject_share: Share = Field(0.01, description="More rejected rows than this fail the step.")
    required_policy: Literal["unless_optional_or_default", "all", "none"] = Field(
        "unless_optional_or_default", description="Which xLAM parameters are required; the data set does not say."
    )
    hermes: HermesSettings = HermesSettings()
    curation: CurationSettings = CurationSettings()
    validation_share: Share = 0.1
    seed: int = 42


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


class ServerSettings(Section):
    """The vLLM server that evaluation and the benchmark start."""

    api_url: str = Field("", description="Use this OpenAI-compatible server instead of starting one; key: $FC_API_KEY.")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(0, description="Port on 127.0.0.1; 0 takes any free one.")
    device: Literal["cpu", "cuda"] = "cuda"
    dtype: str = "bfloat16"
    max_model_len: Positive = 8192
    max_num_seqs: Positive = 64
    max_num_batched_tokens: Positive = 8192
    enforce_eager: bool = False
    gpu_memory_share: Share = 0.85
    kv_cache_gib: Positive = Field(4, description="KV cache on CPU, GiB.")
    tool_call_parser: str = "hermes"
    start_timeout_s: Positive = 600


class EvaluationSettings(Section):
    """`predictions/*` and `eval_report`."""

    engine: Literal["vllm", "transformers"] = Field(
        "vllm",
        description="vllm: the server of section `server`. transformers: where vLLM does not run; a process of its own "
        "with that section's device, dtype and max_model_len, slower and without constrained decoding.",
    )
    batch_size: Positive = Field(8, description="Answers generated together by engine transformers.")
    max_rows: Count = Field(2000, description="Validation turns asked, the first of the split; 0 asks all.")
    concurrency: Positive = 32
    max_tokens: Positive = 512
    request_timeout_s: Positive = 120
    retries: Count = 4
    max_failed_share: Share = Field(0.01, description="More requests than this without an answer fail the step.")
    constrained_rows: Count = Field(
        500, description="Turns expecting a call that are asked again with calls forced by the tools' schemas."
    )
    parity_rows: Annotated[int, Field(ge=50)] = Field(
        64, description="Turns whose token ids are compared between server and training, if there are that many."
    )
    bootstrap_samples: Positive = 10_000
    embedding_model: str = Field(
        "", description="Sentence-embedding model, folder or hub name, for embedding similarity; empty: not measured."
    )
    embedding_revision: str = Field("main", description="Its hub revision: pin a commit for a reproducible run.")
    seed: int = 42


class BfclSettings(Section):
    """`bfcl_scores/*`: the Berkeley Function Calling Leaderboard's official checker in an environment of its own."""

    python: str = Field(
        "", description="Python of the environment that holds bfcl-eval; empty: $FC_BFCL_PYTHON, else .venv-bfcl."
    )
    rows_per_category: Count = Field(0, description="Stratified sample per category; 0 takes all rows.")
    categories: tuple[str, ...] = (
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
    )
    prompt_modes: tuple[Literal["chat_template", "official"], ...] = Field(
        ("chat_template", "official"),
        description="The model's own template, and the prompt behind the leaderboard's Qwen numbers; the first leads.",
    )
    max_tokens: Positive = 512
    seed: int = 42


class Thresholds(Section):
    """Least values for one variant's gates; a gate compares the point estimate."""

    parse_rate: Share
    function_name_accuracy: Share
    param_f1: Share
    schema_hit: Share
    exec_rate: Share


class GateSettings(Section):
    """What must hold before a policy may be promoted."""

    min_gold_ceiling: Share = Field(0.95, description="Share of expected calls that validate against their schema.")
    max_overlong_share: Share = Field(0.02, description="Training rows that do not fit `sft.max_length`.")
    sft: Thresholds = Thresholds(
        parse_rate=0.95, function_name_accuracy=0.90, param_f1=0.85, schema_hit=0.88, exec_rate=0.80
    )
    grpo: Thresholds = Thresholds(
        parse_rate=0.97, function_name_accuracy=0.93, param_f1=0.90, schema_hit=0.92, exec_rate=0.88
    )
    significance: Annotated[float, Field(gt=0, lt=1)] = 0.05
    non_inferiority_margin: Share = Field(
        0.02, description="How much exact match GRPO may lose against SFT, and a policy against the promoted one."
    )
    irrelevance_margin: Share = Field(0.05, description="How much irrelevance accuracy may fall below base.")
    min_bfcl_parse_rate: Share = Field(0.5, description="Share of BFCL answers that parse, rows expecting a call.")
    max_quantisation_drop: Share = Field(0.15, description="How much exact match Q4_K_M may lose against F16.")


class ServiceLevel(Section):
    """What users are promised; goodput counts the requests that meet it."""

    ttft_p95_s: Annotated[float, Field(gt=0)] = 1.0
    tpot_p95_s: Annotated[float, Field(gt=0)] = 0.05
    at_concurrency: Positive = 16


class BenchmarkSettings(Section):
    """`benchmark_matrix` and `serving_recommendation`."""

    mode: Literal["quick", "full"] = Field("quick", description="The few cells of `quick_*`, or the whole matrix.")
    concurrency: tuple[Positive, ...] = Field((1, 2, 4, 8, 16, 32), description="Requests under way in a closed load.")
    context_lengths: tuple[Positive, ...] = Field((256, 1024, 2048, 4096), description="Prompt tokens, exactly.")
    quick_concurrency: tuple[Positive, ...] = (1, 8, 16)
    quick_context_lengths: tuple[Positive, ...] = (256, 2048)
    request_rates: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        (1.0, 4.0, 16.0), description="Requests a second of the open (Poisson) loads, at the shortest context length."
    )
    output_tokens: Annotated[int, Field(ge=2)] = 128
    tool_call_tokens: Count = Field(
        256, description="Tokens at most of an answer in the tool-call loads; 0 leaves these loads out."
    )
    requests_per_cell: Positive = Field(64, description="Measured requests of a cell, at least 4 x its concurrency.")
    warmup_requests: Count = Field(8, description="Requests thrown away before, at least one for each under way.")
    request_timeout_s: Positive = 120
    sweep_max_num_seqs: tuple[Positive, ...] = Field(
        (16, 32, 64), description="Server settings tried in `full` for the recommendation; each starts a server."
    )
    sweep_max_num_batched_tokens: tuple[Positive, ...] = (2048, 8192)
    slo: ServiceLevel = ServiceLevel()
    regression_margin: Share = Field(0.1, description="How much slower than the last good measurement is tolerated.")
    quick_cron: str = "0 2 * * *"
    full_cron: str = "0 3 * * 0"
    schedules_on: bool = False
    timezone: str = "UTC"
    seed: int = 42


class EdgeSettings(Section):
    """`gguf_artifacts` and `edge_report`."""

    quantisations: tuple[Literal["Q8_0", "Q4_K_M"], ...] = Field(
        ("Q8_0", "Q4_K_M"), min_length=1, description="Files to write beside F16, which they are compared with."
    )
    rows: Positive = Field(50, description="Validation turns asked of each file for the quality kept.")
    max_tokens: Positive = 256
    context: Positive = Field(2048, description="Tokens of prompt and answer; longer turns are passed over.")
    threads: Positive = Field(4, description="No more than idle cores: llama.cpp's threads wait for the slowest.")
    min_same_ids: Share = Field(0.99, description="Prompts that llama.cpp must tokenise as the checkpoint does.")


class DeploymentSettings(Section):
    """`promoted_policy`'s canary questions, and `vllm_deployment`: the Docker Compose stack and its sensor."""

    project: str = Field("fc-assets", description="Name of the Compose project.")
    image: str = Field("vllm/vllm-openai:v0.31.0", description="Inference image; pin it by digest in production.")
    proxy_image: str = "nginxinc/nginx-unprivileged:1.28-alpine"
    monitoring: bool = Field(True, description="Prometheus and Grafana beside the engine.")
    port: Annotated[int, Field(ge=1, le=65535)] = 8080
    bind: str = Field("127.0.0.1", description="Address on which the proxy listens, the only published port.")
    served_name: str = Field("fc-policy", description="Model name that clients ask for; the same for every release.")
    strategy: Literal["blue_green", "swap"] = Field(
        "swap", description="`blue_green` starts the new engine beside the old one: both must fit into memory."
    )
    memory_gib: Positive = Field(16, description="Memory limit of an engine's container.")
    cpus: Annotated[float, Field(gt=0)] = Field(4.0, description="CPU limit of an engine's container.")
    start_timeout_s: Positive = 600
    drain_s: Positive = Field(60, description="How long an engine that was replaced may finish what it has begun.")
    canary_rows: Positive = Field(5, description="Validation rows, answered rightly when evaluated, asked again.")
    min_canary_share: Share = Field(0.8, description="Share of canary questions answered with schema-valid calls.")
    max_answer_s: Annotated[float, Field(gt=0)] = Field(10.0, description="Longest time for one canary answer.")
    max_attempts: Positive = 3
    retry_after_s: Positive = Field(60, description="Wait before a second attempt; doubles each time.")
    sensor_on: bool = Field(False, description="Whether the redeploy sensor runs from the start.")


class HubSettings(Section):
    """The copy of each `promoted_policy` on a Hugging Face hub. The token is `$HF_TOKEN`, never a setting."""

    repository: str = Field(
        "", pattern=r"^([\w.-]+/[\w.-]+)?$", description="OWNER/NAME of the model repository; empty: nothing is pushed."
    )
    private: bool = Field(True, description="Make the repository private, and refuse to push to a public one.")


class Profile(Section):
    """All settings of one run."""

    name: str
    description: str
    data: DataSettings = DataSettings()
    base_model: BaseModelSettings = BaseModelSettings()
    sft: SftSettings = SftSettings()
    grpo: GrpoSettings = GrpoSettings()
    server: ServerSettings = ServerSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    bfcl: BfclSettings = BfclSettings()
    gates: GateSettings = GateSettings()
    benchmark: BenchmarkSettings = BenchmarkSettings()
    edge: EdgeSettings = EdgeSettings()
    deployment: DeploymentSettings = DeploymentSettings()
    hub: HubSettings = HubSettings()


def profile_names() -> list[str]:
    """The profiles that ship with the package."""
    return sorted(path.stem for path in PROFILES.glob("*.yaml"))


def parse_profile(values: object, source: str) -> Profile:
    """Validate `values`; raise `FcAssetsError` naming `source` and every field that is wrong."""
    try:
        return Profile.model_validate(values)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(str(part) for part in item['loc'])}: {_complaint(item['type'], item['msg'])}"
            for item in error.errors()
        )
        raise FcAssetsError(f"Profile {source} is not valid: {wrong}. Correct these fields and start again") from None


def _complaint(kind: str, message: str) -> str:
    return "unknown key, remove it or correct its spelling" if kind == "extra_forbidden" else message


def load_profile(name: str | None = None) -> Profile:
    """The profile called `name`, else the one named by `$FC_PROFILE`, else `demo`. A path to a YAML file works too."""
    name = name or os.environ.get(PROFILE_VARIABLE) or DEFAULT_PROFILE
    file = Path(name) if name.endswith((".yaml", ".yml")) else PROFILES / f"{name}.yaml"
    if not file.is_file():
        raise FcAssetsError(
            f"There is no profile {name!r}: set {PROFILE_VARIABLE} to one of {', '.join(profile_names())}, "
            "or to the path of a YAML file"
        )
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise FcAssetsError(f"Profile {file} is not YAML: {error}; correct it and start again") from None
    return parse_profile(values, file.name)
