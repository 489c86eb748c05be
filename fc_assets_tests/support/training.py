"""Trainers for tests: a toy that trains in a second in this process, and the room's own jobs as processes to kill."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from peft import get_peft_model
from transformers import Qwen3Config, Qwen3ForCausalLM, Trainer, TrainerCallback, TrainingArguments, set_seed

from fc_assets.foundation.child_processes.jobs import run_job, write_job
from fc_assets.names import MANIFEST, SHAREGPT_TRAIN, split_file
from fc_assets.profiles import EMBEDDED, GrpoSettings, LoraSettings, MergeSettings, SftSettings, load_profile
from fc_assets.training.grpo import grpo_job as grpo_job_module
from fc_assets.training.jobs import CheckpointSource, GrpoJob, SftJob, TrainingResult
from fc_assets.training.sft import sft_job as sft_job_module
from fc_assets.training.trainer.arguments import lora_config, shared_arguments
from fc_assets.training.trainer.checkpoints import load_checkpoint, save_adapter
from fc_assets.training.trainer.running import TrainingRun, run_trainer
from fc_assets.training.trainer.watching import Watch, watched

_BASE = CheckpointSource(name="the base", revision="", source="hub")
_TOOL = {
    "name": "lift",
    "description": "Lifts things.",
    "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
}
TOY_ROWS = 12


@dataclass
class ReadLog:
    """A step's log that keeps what it was told."""

    lines: list[str] = field(default_factory=list)

    def info(self, message: str) -> None:
        self.lines.append(message)

    warning = info

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


class CutError(Exception):
    """The toy's training was cut, as by a kill."""


class Cut(TrainerCallback):
    """Cut the toy's training once `step` is done."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == self.step:
            raise CutError


def toy_settings(**changes: Any) -> SftSettings:
    """Six steps, a checkpoint every two, with dropout, so that what is random shows."""
    demo = load_profile("demo").sft
    lora = LoraSettings(rank=2, dropout=0.2)
    few = {"lora": lora, "max_steps": 6, "save_every": 2, "log_every": 1, "learning_rate": 1e-2, "scheduler": "linear"}
    return demo.model_copy(update={**few, **changes})


def toy_trainer(folder: Path, settings: SftSettings | None = None, *, poisoned: bool = False, **arguments: Any) -> Any:
    """A watched trainer of a tiny model on 12 rows called r0 to r11; a `poisoned` row r7 has no finite loss.

    It validates on the rows that it learns, if `arguments` ask for it.
    """
    settings = settings or toy_settings()
    set_seed(settings.seed)
    config = Qwen3Config(
        vocab_size=32, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8, tie_word_embeddings=True,
    )  # fmt: skip
    dtype = torch.bfloat16 if settings.bf16 else torch.float32
    model = get_peft_model(Qwen3ForCausalLM(config).to(dtype), lora_config(settings.lora))
    generator = torch.Generator().manual_seed(1)
    rows = [torch.randint(1, 32, (6,), generator=generator).tolist() for _ in range(TOY_ROWS)]
    names = {tuple(row): f"r{number}" for number, row in enumerate(rows)}
    if poisoned:
        _poison(model, rows[7])

    def name_rows(inputs: Any) -> list[str]:
        return [names[tuple(row)] for row in inputs["input_ids"].tolist()]

    data = [{"input_ids": row, "labels": row, "attention_mask": [1] * len(row)} for row in rows]
    return watched(Trainer, Watch("sft", settings, name_rows))(
        model=model,
        args=TrainingArguments(
            **{**shared_arguments(settings, folder), "gradient_accumulation_steps": 2},
            per_device_train_batch_size=2,
            num_train_epochs=3,
            max_steps=settings.max_steps,
            **arguments,
        ),
        train_dataset=data,
        eval_dataset=data,
    )


def _poison(model: Any, row: list[int]) -> None:
    """Whenever the model sees `row`, what it computes is not finite."""

    def not_finite(_: Any, arguments: Any, keywords: dict[str, Any], output: Any) -> Any:
        if row in keywords["input_ids"].tolist():
            output["loss"] = output["loss"] * torch.nan
        return output

    model.register_forward_hook(not_finite, with_kwargs=True)


def train_toy(folder: Path, log: ReadLog, *, cut_at: int | None = None) -> TrainingRun:
    """Train the toy in `folder`; raise `CutError` when step `cut_at` is done."""
    trainer = toy_trainer(folder)
    if cut_at is not None:
        trainer.add_callback(Cut(cut_at))
    return run_trainer(trainer, folder, log)


def write_split(folder: Path, rows: int = 48) -> Path:
    """A training split of short questions; every fourth expects no call."""
    content = []
    for number in range(rows):
        called = number % 4 != 0
        value = json.dumps({"name": "lift", "arguments": {"n": number}}) if called else "I cannot sing."
        query = f"Please lift {number}." if called else f"Sing {number} songs."
        turns = [{"from": "human", "value": query}, {"from": "function_call" if called else "gpt", "value": value}]
        content.append({"id": f"row-{number}", "conversations": turns, "system": "", "tools": json.dumps([_TOOL])})
    file = folder / split_file(SHAREGPT_TRAIN)
    file.write_text(json.dumps(content))
    return file


def sft_job(folder: Path, settings: SftSettings) -> SftJob:
    """SFT of the embedded model in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    return SftJob(
        model=EMBEDDED,
        base_source=_BASE,
        train=write_split(folder),
        settings=settings,
        out=folder / "out" / "adapter",
        checkpoints=folder / "checkpoints",
        events=folder / "events",
        trackers=(),
    )


def grpo_job(folder: Path, settings: GrpoSettings) -> GrpoJob:
    """GRPO of the embedded model in `folder`, from an SFT adapter that changes next to nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    adapter = folder / "sft_adapter"
    model, _ = load_checkpoint(EMBEDDED, bf16=False)
    adapted = get_peft_model(model, lora_config(LoraSettings(rank=1)))
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.fill_(1e-5)
    save_adapter(adapted, _BASE, adapter)
    return GrpoJob(
        model=EMBEDDED,
        base=EMBEDDED,
        base_source=_BASE,
        sft_adapter=adapter,
        train=write_split(folder),
        settings=settings,
        bounds=MergeSettings(),
        out=folder / "out",
        checkpoints=folder / "checkpoints",
        events=folder / "events",
        trackers=(),
    )


_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["trl.trainer.sft_trainer", "trl.trainer.grpo_trainer", __name__])


@dataclass
class Attempt:
    """A trainer in a process of its own, forked where its slow imports are done already, and its log."""

    process: multiprocessing.process.BaseProcess
    log: Path

    def kill(self) -> None:
        """End it as the kernel would, without warning."""
        self.process.kill()
        self.process.join()

    @property
    def code(self) -> int | None:
        return self.process.exitcode


def start(job: SftJob | GrpoJob, scratch: Path) -> Attempt:
    """Start `job`; its output is appended to a log in `scratch`."""
    scratch.mkdir(parents=True, exist_ok=True)
    process = _SERVER.Process(target=_work, args=(job, scratch))
    process.start()
    return Attempt(process, scratch / "log")


def _work(job: SftJob | GrpoJob, scratch: Path) -> None:
    with (scratch / "log").open("ab") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    sys.argv[1:] = [write_job(job, scratch).argv[-1]]
    torch.set_num_threads(1)
    if isinstance(job, SftJob):
        run_job(SftJob, sft_job_module.train)
    else:
        run_job(GrpoJob, grpo_job_module.train)


def finish(job: SftJob | GrpoJob, scratch: Path, timeout_s: float = 500) -> TrainingResult:
    """Run `job` to its end and return its report."""
    attempt = start(job, scratch)
    attempt.process.join(timeout_s)
    code = attempt.code
    attempt.kill()
    assert code == 0, attempt.log.read_text()[-3000:]
    report: TrainingResult = write_job(job, scratch).result().report
    return report


@dataclass
class Kills:
    """How often a job was killed while it wrote a checkpoint, and at another moment."""

    writing: int = 0
    elsewhere: int = 0


def finish_with_kills(job: SftJob | GrpoJob, scratch: Path, seed: int, kills: int) -> tuple[TrainingResult, Kills, str]:
    """Run `job`, killed `kills` times at seeded moments, half of them while it writes a checkpoint.

    Returns the report of the attempt that was left alone, the kills, and the log of all attempts.
    """
    rng = random.Random(seed)
    done = Kills()
    for number in range(kills):
        attempt = start(job, scratch)
        try:
            if number % 2 == 0:
                _wait_for(attempt, lambda: any(_unsealed(job.checkpoints)), 0.0005)
                time.sleep(rng.uniform(0, 0.01))
            else:
                before = _sealed(job.checkpoints)
                _wait_for(attempt, lambda: bool(_sealed(job.checkpoints) - before), 0.01)  # noqa: B023
                time.sleep(rng.uniform(0, 0.3))
        finally:
            attempt.kill()
        if any(_unsealed(job.checkpoints)):
            done.writing += 1
        else:
            done.elsewhere += 1
    report = finish(job, scratch)
    return report, done, (scratch / "log").read_text()


def _wait_for(attempt: Attempt, condition: Any, pause_s: float) -> None:
    deadline = time.monotonic() + 180
    while not condition():
        assert attempt.code is None, f"it ended unasked:\n{attempt.log.read_text()[-3000:]}"
        assert time.monotonic() < deadline, f"nothing happened:\n{attempt.log.read_text()[-3000:]}"
        time.sleep(pause_s)


def _sealed(folder: Path) -> set[str]:
    return {path.parent.name for path in folder.glob(f"checkpoint-*/{MANIFEST}")}


def _unsealed(folder: Path) -> Iterator[Path]:
    return (path for path in folder.glob("checkpoint-*") if not (path / MANIFEST).exists())


def figures(report: TrainingResult) -> list[list[tuple[str, float]]]:
    """The log's numbers, by name."""
    return [sorted((name, float(value)) for name, value in record.items()) for record in report.log]
