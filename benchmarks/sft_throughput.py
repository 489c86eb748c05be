"""Speed of SFT beside its peers: `python -m benchmarks.sft_throughput`.

The same rows, the same model and LoRA of rank 32, 16 rows a step, fp32 and gradient checkpointing on this CPU, one
after the other: this project's own SFT job as the profile gpu-12gb sets it; trl's SFTTrainer with its default of 8
rows a pass, two passes a step; and LLaMA-Factory with the YAML file that the project writes (2 rows a pass). All learn
the answer only. The model has Qwen3's architecture at half of Qwen3-0.6B's width, 8 layers, and the demo's tokenizer:
with the real vocabulary of 151,936 so few layers would be less than a fifth of the work, of the real model's it is
three quarters. Rows have xLAM's lengths in tokens: mean 586, 95th percentile 1,006, at most 1,671.

Tokens are those of the rows, padding not counted, by the seconds of the training loop; `answer` counts the learnt ones.
`vs_*` is the ratio of speeds: above 1 this project is faster.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks._results import write_result
from fc_assets.calls.conversations import read_turns
from fc_assets.data.rows.normalise import normalise_row
from fc_assets.data.rows.sharegpt import sharegpt_row, write_dataset_info
from fc_assets.data.rows.tools import ToolReader
from fc_assets.data.sources.generator import generate_rows
from fc_assets.foundation.child_processes.jobs import write_job
from fc_assets.names import LLAMA_FACTORY, SHAREGPT_TRAIN, split_file
from fc_assets.profiles import EMBEDDED, DataSettings, SftSettings, load_profile
from fc_assets.training.jobs import CheckpointSource, SftJob
from fc_assets.training.sequences import EncodedTurn, encode
from fc_assets.training.sft.llama_factory import write_arguments
from fc_assets_tests.support import llama_factory

SEED = 1
MEAN, SPREAD, SHORTEST, LONGEST = 586, 0.372, 150, 1671
"""A log-normal distribution with xLAM's mean and 95th percentile, cut at its longest row."""
TRL_ROWS = 8
"""trl's default of `per_device_train_batch_size`."""
SOURCE = CheckpointSource(name="half-width", revision="", source="folder")


def write_model(folder: Path, layers: int, width: int) -> Any:
    """A random model of Qwen3's architecture with the demo's tokenizer, in `folder`; returns the tokenizer."""
    from transformers import AutoConfig, AutoTokenizer, Qwen3ForCausalLM, set_seed

    set_seed(SEED)
    changes = {"hidden_size": width, "intermediate_size": 3 * width, "num_hidden_layers": layers}
    heads = {"num_attention_heads": width // 64, "num_key_value_heads": width // 128, "head_dim": 128}
    config = AutoConfig.from_pretrained(EMBEDDED, **changes, **heads, layer_types=["full_attention"] * layers)
    config.max_position_embeddings = 4096
    Qwen3ForCausalLM(config).save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(EMBEDDED)
    tokenizer.save_pretrained(folder)
    return tokenizer


def write_rows(folder: Path, tokenizer: Any, rows: int) -> list[EncodedTurn]:
    """Generated rows whose queries go on until each has its drawn length; as a split in `folder`, and as token ids."""
    rng, reader = random.Random(SEED), ToolReader()
    raw = [json.loads(sharegpt_row(normalise_row(row, reader))) for row in generate_rows(rows, SEED)]
    filler = [row["conversations"][0]["value"] for row in raw]
    split = folder / split_file(SHAREGPT_TRAIN)
    split.write_text(json.dumps(raw), encoding="utf-8")
    for row, turn in zip(raw, read_turns(split), strict=True):
        wanted = min(LONGEST, max(SHORTEST, rng.lognormvariate(math.log(MEAN) - SPREAD**2 / 2, SPREAD)))
        missing = wanted - len(encode(tokenizer, turn).input_ids)
        while missing > 0:
            words = rng.choice(filler)
            row["conversations"][0]["value"] += f" {words}"
            missing -= len(tokenizer(f" {words}").input_ids)
    split.write_text(json.dumps(raw), encoding="utf-8")
    write_dataset_info(folder, SHAREGPT_TRAIN)
    return [encode(tokenizer, turn) for turn in read_turns(split)]


def own_seconds(folder: Path, settings: SftSettings) -> float:
    """The loop of the project's SFT job, in a process of its own as a step starts it."""
    job = SftJob(
        model=folder,
        base_source=SOURCE,
        train=folder / split_file(SHAREGPT_TRAIN),
        settings=settings,
        out=folder / "own",
        checkpoints=folder / "checkpoints",
        events=folder / "events",
        trackers=(),
    )
    files = write_job(job, folder)
    subprocess.run(files.argv, check=True, capture_output=True)
    return files.result().cost.seconds


def trl_seconds(folder: Path, settings: SftSettings, turns: Sequence[EncodedTurn]) -> float:
    """The loop of trl's own trainer, batches and their order as it makes them."""
    from datasets import Dataset
    from transformers import AutoModelForCausalLM
    from trl import SFTConfig, SFTTrainer

    from fc_assets.training.trainer.arguments import lora_config, shared_arguments

    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(folder, dtype="float32"),
        args=SFTConfig(
            **{**shared_arguments(settings, folder / "trl"), "save_strategy": "no"},
            per_device_train_batch_size=TRL_ROWS,
            gradient_accumulation_steps=settings.rows_per_step // TRL_ROWS,
            num_train_epochs=settings.epochs,
            max_length=settings.max_length,
        ),
        train_dataset=Dataset.from_list(
            [{"input_ids": turn.input_ids, "completion_mask": turn.completion_mask} for turn in turns]
        ),
        peft_config=lora_config(settings.lora),
    )
    started = time.perf_counter()
    trainer.train()
    return time.perf_counter() - started


def llama_factory_seconds(folder: Path, settings: SftSettings) -> float:
    """LLaMA-Factory's loop, in its own environment."""
    config = folder / LLAMA_FACTORY
    write_arguments(config, settings, SOURCE, DataSettings())
    return llama_factory.training_seconds(
        config, dataset_dir=folder, output_dir=folder / "llama-factory", model_name_or_path=folder
    )


def figures_of(seconds: Mapping[str, float], turns: Sequence[EncodedTurn]) -> dict[str, float | None]:
    """Tokens per second of each, and this project's speed by that of its peers."""
    tokens = sum(len(turn.input_ids) for turn in turns)
    answer = sum(len(turn.learnt_ids) for turn in turns)
    lengths = sorted(len(turn.input_ids) for turn in turns)
    found: dict[str, float | None] = {
        "rows": float(len(turns)),
        "tokens_mean": round(tokens / len(turns), 1),
        "tokens_p95": float(lengths[round(0.95 * (len(lengths) - 1))]),
        "tokens_max": float(lengths[-1]),
    }
    for name, taken in seconds.items():
        prefix = "" if name == "own" else f"{name}_"
        found |= {
            f"{prefix}tokens_per_s": round(tokens / taken, 1),
            f"{prefix}answer_tokens_per_s": round(answer / taken, 1),
        }
    found |= {f"vs_{name}": round(taken / seconds["own"], 3) for name, taken in seconds.items() if name != "own"}
    return found


def main() -> None:
    """Measure all three and write `results/sft_throughput.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--width", type=int, default=512, help="hidden size, a multiple of 128")
    chosen = parser.parse_args()
    changes = {"bf16": False, "validation_rows": 0, "epochs": 1.0, "log_every": 1}
    settings = load_profile("gpu-12gb").sft.model_copy(update=changes)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tokenizer = write_model(folder, chosen.layers, chosen.width)
        turns = write_rows(folder, tokenizer, chosen.steps * settings.rows_per_step)
        seconds = {
            "own": own_seconds(folder, settings),
            "plain_trl": trl_seconds(folder, settings, turns),
            "llamafactory": llama_factory_seconds(folder, settings),
        }
    write_result("sft_throughput", figures_of(seconds, turns), ["torch", "transformers", "trl", "peft"])


if __name__ == "__main__":
    main()
