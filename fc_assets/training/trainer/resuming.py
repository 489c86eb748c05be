"""Checkpoints of a trainer that a KILL cannot spoil: sealed when they are whole, checked before they are used.

transformers writes a checkpoint file by file and resumes from the highest number, whole or not. Here the last file
written into each is a manifest of all the others' digests; an attempt resumes from the last checkpoint whose digests
hold, and removes those whose do not. So nothing is unpickled but what this project has written itself (transformers
reads those files with `weights_only`).

What follows a checkpoint must not depend on whether training was cut there: each step is seeded by its number, and
nothing that is logged is summed up across a checkpoint. The loop itself is `running`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerState, set_seed
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_callback import ExportableState
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.artifacts import flush_directory, flush_folder, scan_folder
from fc_assets.foundation.child_processes.jobs import Log
from fc_assets.foundation.json_files import read_json, write_json
from fc_assets.names import MANIFEST
from fc_assets.training.trainer.watching import DivergedError

_NAME = re.compile(rf"{PREFIX_CHECKPOINT_DIR}-(\d+)")


def seal(checkpoint: Path) -> None:
    """Write the manifest of a whole checkpoint, in one step and after everything else is on the disk."""
    flush_folder(checkpoint)
    part = checkpoint / f"{MANIFEST}.part"
    part.unlink(missing_ok=True)
    files = {name: [entry.sha256, entry.bytes] for name, entry in scan_folder(checkpoint).items()}
    write_json(part, {"files": files})
    with part.open("rb") as stream:
        os.fsync(stream.fileno())
    part.replace(checkpoint / MANIFEST)
    flush_directory(checkpoint)


def fault(checkpoint: Path) -> str | None:
    """Why a checkpoint cannot be used; None when every byte is what was sealed."""
    if not (checkpoint / MANIFEST).is_file():
        return "it was not written to its end"
    try:
        sealed = read_json(checkpoint / MANIFEST)["files"]
        found = {name: [entry.sha256, entry.bytes] for name, entry in scan_folder(checkpoint).items()}
        names = sorted(sealed.keys() | found.keys())
    except (FcAssetsError, OSError, KeyError, AttributeError) as error:
        return f"its manifest or a file cannot be read ({error})"
    for name in names:
        if name not in found:
            return f"{name} is missing"
        if found[name] != sealed.get(name):
            return f"{name} is not what was written"
    return None


def last_whole_checkpoint(folder: Path, log: Log) -> Path | None:
    """The latest checkpoint in `folder` that can be used; those that cannot be are removed, and the log says why."""
    whole: Path | None = None
    spoilt = False
    for checkpoint in _numbered(folder):
        if reason := fault(checkpoint):
            spoilt = True
            log.warning(f"removed {checkpoint.name}, which an earlier attempt left: {reason}")
            shutil.rmtree(checkpoint)
        else:
            whole = checkpoint
    if whole:
        log.info(f"resuming from {whole.name}, left by an earlier attempt with the same inputs")
    elif spoilt:
        log.warning("no whole checkpoint is left, so training starts anew")
    return whole


def _numbered(folder: Path) -> list[Path]:
    """The checkpoints in `folder`, in the order of their steps."""
    found = [(int(match[1]), path) for path in folder.glob("*") if (match := _NAME.fullmatch(path.name))]
    return [path for _, path in sorted(found)]


def is_finished(checkpoint: Path) -> bool:
    """Whether training had nothing left to do when this checkpoint was made: all steps done, or stopped early."""
    state = json.loads((checkpoint / TRAINER_STATE_NAME).read_text(encoding="utf-8"))
    control = state["stateful_callbacks"]["TrainerControl"]["args"]
    return bool(control["should_training_stop"] or state["global_step"] >= state["max_steps"])


def restore_finished(trainer: Any, checkpoint: Path) -> None:
    """Put the trainer where it was at the end of a training that is finished, its model as `train` would leave it.

    `train(resume_from_checkpoint=...)` would take one step too many.
    """
    state = TrainerState.load_from_json(str(checkpoint / TRAINER_STATE_NAME))
    weights = checkpoint
    if trainer.args.load_best_model_at_end and state.best_model_checkpoint:
        weights = checkpoint.parent / Path(state.best_model_checkpoint).name  # the home may have been moved since
    trainer._load_from_checkpoint(str(weights))  # the very function that resuming uses; there is no public one
    trainer.state = state
    for callback in trainer.callback_handler.callbacks:
        if isinstance(callback, KeptState):
            callback.restore_from(state)


class ResumableSteps(TrainerCallback):  # type: ignore[misc]  # transformers is not read by the type checker
    """Makes each step a function of the checkpoint before it, and seals each checkpoint.

    Each step begins with random numbers of its own, from `seed` and its number: in GRPO an attempt that resumes draws
    the same samples, with any sampler that runs in this process, whatever else has drawn numbers until then.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        set_seed(self.seed + state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        if control.should_save:
            # What transformers and trl sum up between two records is in no checkpoint: it would begin at zero.
            control.should_log = True
            _require_finite(model.named_parameters(), state.global_step)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.is_world_process_zero:
            seal(Path(args.output_dir, f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}"))


def _require_finite(parameters: Iterable[tuple[str, torch.Tensor]], step: int) -> None:
    for name, parameter in parameters:
        if parameter.requires_grad and not bool(torch.isfinite(parameter).all()):
            raise DivergedError(f"After step {step} the weights of {name} are not finite, so they were not saved")


class KeptState(TrainerCallback, ExportableState):  # type: ignore[misc]
    """What a job itself gathers while it trains, as JSON in each checkpoint: `keep` gives it, `restore` takes it."""

    def __init__(self, keep: Callable[[], Mapping[str, Any]], restore: Callable[[Mapping[str, Any]], None]) -> None:
        self.keep = keep
        self.restore = restore

    def state(self) -> dict[str, Any]:
        return {"args": {}, "attributes": {"kept": dict(self.keep())}}

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.restore_from(state)

    def restore_from(self, state: Any) -> None:
        """Take what the checkpoint of this state has kept."""
        self.restore(state.stateful_callbacks[type(self).__name__]["attributes"]["kept"])
