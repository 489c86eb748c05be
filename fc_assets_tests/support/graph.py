"""The graph as it must be: every asset and its group; and where the checkout lies."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
ASSETS = {
    "xlam_raw": "data",
    "sharegpt_train": "data",
    "sharegpt_val": "data",
    "base_model": "training",
    "lora_adapter": "training",
    "merged_model": "training",
    "grpo_policy": "training",
    "predictions/base": "evaluation",
    "predictions/sft": "evaluation",
    "predictions/grpo": "evaluation",
    "bfcl_scores/base": "evaluation",
    "bfcl_scores/sft": "evaluation",
    "bfcl_scores/grpo": "evaluation",
    "eval_report": "evaluation",
    "promoted_policy": "release",
    "k8s_bundle": "deployment",
    "vllm_deployment": "deployment",
    "benchmark_matrix": "serving",
    "serving_recommendation": "serving",
    "gguf_artifacts": "edge",
    "edge_report": "edge",
}
