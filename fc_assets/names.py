"""The names that more than one room must spell alike: asset keys, variants, and files inside artefacts.

Each stands here once, with what it is; nothing else spells one of them as a literal. This module imports nothing of
the project. Thresholds and settings are `profiles`; how an artefact is stored is `foundation.artifacts`.
"""

from __future__ import annotations

# Assets, in the order of the graph. A key of several parts is spelt with slashes, as Dagster prints it.
XLAM_RAW = "xlam_raw"
"""The normalised examples and the quarantine of rejected rows."""
SHAREGPT_SPLITS = "sharegpt_splits"
"""The step that makes both splits."""
SHAREGPT_TRAIN = "sharegpt_train"
"""The training split as ShareGPT conversations."""
SHAREGPT_VAL = "sharegpt_val"
"""The validation split as ShareGPT conversations."""
BASE_MODEL = "base_model"
"""The checkpoint that everything starts from; variant A."""
LORA_ADAPTER = "lora_adapter"
"""The SFT adapter."""
MERGED_MODEL = "merged_model"
"""Base and SFT adapter as one checkpoint; variant B."""
GRPO_POLICY = "grpo_policy"
"""The policy after GRPO; variant C, and what a release ships."""
DPO_POLICY = "dpo_policy"
"""The policy after DPO; variant D, in the graph only where the profile has it on."""
EVAL_REPORT = "eval_report"
"""The comparison of the variants."""
PROMOTED_POLICY = "promoted_policy"
"""A release. The evaluation of the GRPO variant and its champion gate read the latest one without depending on it: the
graph would otherwise be a circle, since a release is made from the evaluation."""
BENCHMARK_MATRIX = "benchmark_matrix"
"""The load test of a release."""
SERVING_RECOMMENDATION = "serving_recommendation"
"""The vLLM settings that the load test recommends. `vllm_deployment` uses them where they exist."""
GGUF_ARTIFACTS = "gguf_artifacts"
"""A release as GGUF files."""
EDGE_REPORT = "edge_report"
"""What each GGUF file costs and keeps."""
K8S_BUNDLE = "k8s_bundle"
"""A release as Helm values and manifests."""
VLLM_DEPLOYMENT = "vllm_deployment"
"""Which release the serving stack runs."""

# Variants: the models that are compared.
BASE, SFT, GRPO, DPO = "base", "sft", "grpo", "dpo"
VARIANT_MODELS = {BASE: BASE_MODEL, SFT: MERGED_MODEL, GRPO: GRPO_POLICY}
"""Each variant of every graph and the asset that holds its checkpoint, in the order of comparison. A release rests on
all of them."""
ARM_MODELS = {DPO: DPO_POLICY}
"""The same for the arms that a profile may add (`profiles.variants`). A release does not rest on them."""
VARIANT_LABELS = {BASE: "Base", SFT: "SFT", GRPO: "SFT+GRPO", DPO: "SFT+DPO"}
"""How the variants are called in tables and plots."""
TRAINED_FROM = {SFT: BASE, GRPO: SFT, DPO: SFT}
"""The variants that training made, each with the one that it was trained from and must not be worse than. Base has no
threshold of its own."""
SHIPPED_VARIANT = GRPO
"""The variant that may be promoted."""
CHAMPION = "champion"
"""The promoted policy when a new one is compared with it; no variant, but named beside them in tables."""


def predictions(variant: str) -> str:
    """The asset with what a variant (or the champion) answers to the validation split."""
    return f"predictions/{variant}"


def bfcl_scores(variant: str) -> str:
    """The asset with a variant's scores on the Berkeley Function Calling Leaderboard."""
    return f"bfcl_scores/{variant}"


# Files and folders that lie in the artefacts of several assets.
MANIFEST = "MANIFEST.json"
"""What the store records of each artefact."""
REPORT = "report.json"
"""What a step reported of its own work."""
MODEL_FOLDER = "model"
"""A checkpoint in Hugging Face's format: in `base_model`, `merged_model`, the policies and `promoted_policy`."""
ADAPTER_FOLDER = "adapter"
"""A LoRA adapter in peft's format: in `lora_adapter` and the policies."""

# Files among a run's records, which lie beside an artefact and in no digest
EVENTS = "tensorboard"
"""Folder of a training's event files, in the records of its run."""
RUN_COST = "run.json"
"""What a run took: host, seconds, memory."""
TIMINGS = "timings.parquet"
"""How long each answer took, a row for each."""
CONSTRAINED_TIMINGS = "timings_constrained.parquet"
"""The same for the answers with calls forced."""

# xlam_raw
EXAMPLES = "examples.parquet"
"""The normalised examples."""
REJECTS = "rejects.jsonl"
"""The quarantine: a line for each rejected row, with its reason."""
PARAPHRASES = "paraphrases"
"""Folder of the home: what a model has made of questions, a file for each."""
OWN_TOOLS_FILE = "own-tools.json"
"""The user's own tools that rows were made for, as they were listed."""
SUMMARY = "summary.json"
"""Counts of what was read and rejected."""


def split_file(split: str) -> str:
    """The file of ShareGPT rows in the split asset of that name."""
    return f"{split}.json"


DATASET_INFO = "dataset_info.json"
"""How LLaMA-Factory finds its way in a split."""
DROPPED = "dropped.jsonl"
"""Rows that curation left out, with their reason; in `sharegpt_train`."""

# lora_adapter
LLAMA_FACTORY = "llama_factory.yaml"
"""The same fine-tuning as LLaMA-Factory is told it."""
# dpo_policy
PREFERENCE_PAIRS = "pairs.parquet"
"""A row for each pair that DPO learnt from: the better and the worse completion with their rewards."""

# predictions/*, bfcl_scores/*
PREDICTIONS = "predictions.parquet"
"""A row for each answer; in `eval_report` the judged answers of all variants."""
CONSTRAINED_PREDICTIONS = "predictions_constrained.parquet"
"""The answers with calls forced by the tools' schemas."""
SERVER = "server.json"
"""What answered, and how it was asked."""
PARITY = "parity.json"
"""Whether the server built the token ids that training saw."""
CHAMPION_ANSWERS = "champion.parquet"
"""The champion's answers to the same questions."""
CHAMPION_RECORD = "champion.json"
"""Who the champion was; in `eval_report` how the policy compares with it."""
EPISODE_PLAYS = "episodes.json"
"""What the model wrote in each episode; in `eval_report` the comparison of the variants' plays."""
BFCL_ROWS = "rows.parquet"
"""A row for each BFCL question and prompt mode."""

# eval_report
RESULTS = "results.json"
"""Every number of the report; what the gates read."""
REPORT_MARKDOWN = "report.md"
REPORT_HTML = "report.html"
METRICS_PLOT = "metrics.png"
FAILURES_PLOT = "failures.png"

# promoted_policy
RELEASE_RECORD = "release.json"
"""Lineage, gates, settings and libraries of a release."""
MODEL_CARD = "README.md"
MODEL_INFO = "MODEL_INFO.json"
"""Size of the model and memory that serving it takes."""
CHECKSUMS = "SHA256SUMS"
TOOLS = "tools.json"
"""The tools of the validation split in OpenAI's and MCP's form."""
CANARY_QUESTIONS = "canary.json"
"""Questions that a deployment asks before it switches."""

# benchmark_matrix, serving_recommendation
MATRIX_RECORD = "matrix.json"
"""What the matrix was measured on."""
MATRIX_CELLS = "cells.parquet"
"""A row for each cell."""
MATRIX_REQUESTS = "requests.parquet"
"""A row for each request."""
CAPACITY = "capacity.json"
"""The highest loads that kept the SLO, and every load that was tried for them."""
CAPACITY_PLOT = "capacity.png"
REPLAY = "replay.json"
"""The figures of a replayed trace."""
RAMP = "ramp.json"
"""How the requests of each slice of a rising load fared."""
TIMELINE_PLOT = "time-line.png"
CELLS_CSV = "cells.csv"
CELLS_JSON = "cells.json"
RECONCILIATION = "reconciliation.parquet"
"""Client against server: a row for each quantity that both counted."""
CURVES_PLOT = "curves.png"
LATENCY_THROUGHPUT_PLOT = "latency-throughput.png"
HEAT_MAP_PLOT = "heat-map.png"
RECOMMENDATION = "recommendation.json"

# gguf_artifacts
TOKENIZER_FOLDER = "tokenizer"
"""Tokenizer and chat template as transformers reads them."""
GGUF_README = "README.md"
"""How to run the files."""
MODELFILE = "Modelfile"
"""For Ollama."""


def gguf_file(kind: str) -> str:
    """The GGUF file whose weights are stored as `kind`: F16, Q8_0 or Q4_K_M."""
    return f"policy-{kind}.gguf"


# k8s_bundle
CHART_FOLDER = "chart"
"""The Helm chart."""
SERVING_VALUES = "values-serving.yaml"
"""The chart's values for the half that serves this release."""
PLATFORM_VALUES = "values-platform.yaml"
"""The chart's values for the half beside Dagster."""
DAGSTER_VALUES = "values-dagster.yaml"
"""Values for the official Dagster chart."""
PRODUCTION_STACK_VALUES = "values-production-stack.yaml"
"""Values for vLLM's production-stack chart, which then serves instead of ours; only for engines on cards."""
SERVING_MANIFESTS = "serving.yaml"
"""The serving half as plain manifests; where Helm is installed."""
PLATFORM_MANIFESTS = "platform.yaml"
"""The platform half as plain manifests; where Helm is installed."""

# vllm_deployment
COMPOSE_FILE = "compose.yaml"
DEPLOYMENT_RECORD = "deployment.json"
"""Which release serves, since when, and how it was probed."""
