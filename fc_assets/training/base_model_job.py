"""The checkpoint that everything starts from: `python -m fc_assets.training.base_model_job JOB.json`.

Finds the embedded model, a local folder, or a hub snapshot, copies the files that serving needs and nothing else, and
refuses what cannot be trusted or used: weights that are not safetensors, custom code, another architecture, a missing
chat template. Weights are not loaded here; what makes a checkpoint usable is `checkpoint`.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.child_processes.jobs import Log, run_job
from fc_assets.foundation.hub import checkpoint_on_hub, download_snapshot
from fc_assets.profiles import EMBEDDED, BaseModelSettings
from fc_assets.training.checkpoint import inspect_checkpoint
from fc_assets.training.jobs import BaseModelJob, BaseModelResult

WANTED = ("*.safetensors", "*.json", "*.jinja", "*.txt", "LICENSE*")
"""What is copied or downloaded. Pickled weights and code are not among it."""
EMBEDDED_NAME = "fc-assets/demo-qwen3"


def fetch(job: BaseModelJob, log: Log) -> BaseModelResult:
    """Find and copy the checkpoint, check the copy, and return its description."""
    folder, name, revision = _find(job.settings, log)
    log.info(f"base model {name} from {job.settings.source}")
    job.out.mkdir(parents=True, exist_ok=True)
    for pattern in WANTED:
        for file in sorted(folder.glob(pattern)):
            shutil.copyfile(file, job.out / file.name)  # a hub snapshot holds links: copy what they point to
    facts = inspect_checkpoint(job.out)
    return BaseModelResult(name=name, revision=revision, source=job.settings.source, **facts.model_dump())


def _find(settings: BaseModelSettings, log: Log) -> tuple[Path, str, str]:
    """The folder with the checkpoint, the model's name, and its revision (empty where there is none)."""
    if settings.source == "embedded":
        return EMBEDDED, EMBEDDED_NAME, ""
    if settings.source == "folder":
        folder = Path(settings.path)
        if not settings.path or not folder.is_dir():
            raise FcAssetsError(
                f"base_model.path is {settings.path!r}, which is no folder; set it to one with a checkpoint"
            )
        return folder, folder.resolve().name, ""  # `.` has no name of its own
    log.info(
        f"asking the hub for {settings.model} at {settings.revision}; an interrupted download resumes where it stopped"
    )
    folder = download_snapshot(checkpoint_on_hub(settings.model, settings.revision), WANTED)
    return folder, settings.model, folder.name


if __name__ == "__main__":
    run_job(BaseModelJob, fetch)
