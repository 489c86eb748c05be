"""What tests of the SFT trainer share: turns of uneven length, and a trainer for the embedded model."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fc_assets.calls.conversations import read_turns
from fc_assets.profiles import EMBEDDED, LoraSettings, SftSettings
from fc_assets.training.jobs import CheckpointSource, SftJob

CALL = {"name": "set_timer", "arguments": {"minutes": 5}}
TOOL = {
    "name": "set_timer",
    "description": "Start a timer.",
    "parameters": {"type": "object", "properties": {"minutes": {"type": "integer"}}, "required": ["minutes"]},
}
SMALL = SftSettings(
    lora=LoraSettings(rank=4, alpha=8, dropout=0.0),
    rows_per_step=8,
    micro_batch_tokens=100_000,
    learning_rate=2e-3,
    max_steps=4,
    max_length=2048,
    bf16=False,
    gradient_checkpointing=False,
    log_every=1,
    save_every=2,
    validation_rows=0,
)
"""A training of four steps of eight rows, each in one pass, without validation."""


class Messages:
    """A job's log as a list."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, message: str) -> None:
        self.lines.append(message)


@pytest.fixture(scope="session")
def split(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ShareGPT file of 48 rows, each with a call; the questions have 1 to 160 extra words."""
    rows = []
    for number in range(48):
        minutes = 1 + number % 9
        call = {**CALL, "arguments": {"minutes": minutes}}
        question = f"Set a timer for {minutes} minutes." + " please" * (number * 37 % 160)
        rows.append(
            {
                "id": f"row-{number}",
                "conversations": [
                    {"from": "human", "value": question},
                    {"from": "function_call", "value": json.dumps(call)},
                ],
                "tools": json.dumps([TOOL]),
                "system": "",
            }
        )
    file = tmp_path_factory.mktemp("split") / "train.json"
    file.write_text(json.dumps(rows))
    return file


@pytest.fixture
def sft_job(split: Path, tmp_path: Path) -> Callable[..., SftJob]:
    """A job on `split`; keywords are the settings that differ from `SMALL`. `name` is its folder."""

    def build(name: str = "run", model: Path = EMBEDDED, **changed: Any) -> SftJob:
        folder = tmp_path / name
        return SftJob(
            model=model,
            base_source=CheckpointSource(name="the base", revision="", source="embedded"),
            train=split,
            settings=SMALL.model_copy(update=changed),
            out=folder / "out",
            checkpoints=folder / "resume" / "checkpoints",
            events=folder / "resume" / "events",
            trackers=(),
        )

    return build


@pytest.fixture
def build_trainer(sft_job: Callable[..., SftJob]) -> Callable[..., Any]:
    """The trainer of such a job, ready to train."""

    def build(*args: Any, **changed: Any) -> Any:
        from fc_assets.training.sft.sft_job import sft_trainer, training_data
        from fc_assets.training.trainer.checkpoints import load_checkpoint

        job = sft_job(*args, **changed)
        model, tokenizer = load_checkpoint(job.model, bf16=job.settings.bf16)
        data = training_data(tokenizer, read_turns(job.train), job.settings)
        return sft_trainer(job, model, tokenizer, data, Messages())

    return build
