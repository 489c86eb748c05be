"""A GRPO job on the embedded model: a split of generated rows, and an SFT adapter that changes next to nothing."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from fc_assets.data.rows.normalise import normalise_row
from fc_assets.data.rows.sharegpt import sharegpt_row
from fc_assets.data.sources.generator import generate_rows
from fc_assets.profiles import EMBEDDED, GrpoSettings, MergeSettings, load_profile
from fc_assets.training.jobs import CheckpointSource, GrpoJob
from fc_assets_tests.support.curation_rows import READER

ROWS = 60
EMBEDDED_SOURCE = CheckpointSource(name="fc-assets/demo-qwen3", revision="", source="embedded")


def write_split(file: Path, rows: int = ROWS) -> None:
    """A ShareGPT split of generated rows."""
    examples = [normalise_row(row, READER, source="test") for row in generate_rows(rows, 42)]
    file.write_text(json.dumps([json.loads(sharegpt_row(example)) for example in examples]))


@pytest.fixture
def grpo_job(tmp_path: Path) -> Callable[..., GrpoJob]:
    """`grpo_job(steps=2, ...)`: the demo's job with these settings changed, its inputs written."""

    def make(**changes: object) -> GrpoJob:
        settings = GrpoSettings.model_validate(load_profile("demo").grpo.model_dump() | changes)
        torch.manual_seed(0)
        base = AutoModelForCausalLM.from_pretrained(EMBEDDED, dtype=torch.float32)
        tuned = get_peft_model(
            base, LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
        )
        for name, parameter in tuned.named_parameters():
            if "lora_B" in name:
                parameter.data *= 0.01
        tuned.save_pretrained(tmp_path / "sft")
        merged = tuned.merge_and_unload()
        merged.to(torch.bfloat16 if settings.bf16 else torch.float32).save_pretrained(tmp_path / "merged")
        AutoTokenizer.from_pretrained(EMBEDDED).save_pretrained(tmp_path / "merged")
        write_split(tmp_path / "train.json")
        (tmp_path / "out").mkdir()
        return GrpoJob(
            model=tmp_path / "merged",
            base=EMBEDDED,
            base_source=EMBEDDED_SOURCE,
            sft_adapter=tmp_path / "sft",
            train=tmp_path / "train.json",
            settings=settings,
            bounds=MergeSettings(),
            out=tmp_path / "out",
            checkpoints=tmp_path / "checkpoints",
            events=tmp_path / "events",
            trackers=(),
        )

    return make
