"""The checkpoint that everything starts from: `python -m fc_assets.training.base_model_job JOB.json`.

Resolves the embedded model, a local folder, or a hub snapshot, copies the files that serving needs and nothing else,
and refuses what cannot be trusted or used: weights that are not safetensors, custom code, another architecture, a
missing chat template. Weights are not loaded here.

Job: settings (a `BaseModelSettings`), out (folder), result (path).
"""

from __future__ import annotations

import json
import math
import shutil
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.hub import checkpoint_on_hub, download_snapshot
from fc_assets.foundation.jobs import Job, Log, run_child
from fc_assets.profiles import EMBEDDED

WANTED = ("*.safetensors", "*.json", "*.jinja", "*.txt", "LICENSE*")
"""What is copied or downloaded. Pickled weights and code are not among it."""
ARCHITECTURE = "Qwen3ForCausalLM"


def resolve(job: Job, log: Log) -> Mapping[str, Any]:
    """Fetch and copy the checkpoint, check it, and return its description."""
    settings, out = job["settings"], Path(job["out"])
    if settings["source"] == "embedded":
        source, name, revision = EMBEDDED, "fc-assets/demo-qwen3", ""
    elif settings["source"] == "folder":
        source, name, revision = Path(settings["path"]), Path(settings["path"]).name, ""
        if not settings["path"] or not source.is_dir():
            raise FcAssetsError(
                f"base_model.path is {settings['path']!r}, which is no folder; set it to one with a checkpoint"
            )
    else:
        name, revision = settings["model"], settings["revision"]
        log.info(f"asking the hub for {name} at {revision}; an interrupted download resumes where it stopped")
        source = download_snapshot(checkpoint_on_hub(name, revision), WANTED)
        revision = source.name
    log.info(f"base model {name} from {settings['source']}")
    for pattern in WANTED:
        for file in sorted(source.glob(pattern)):
            shutil.copyfile(file, out / file.name)  # a hub snapshot holds links: copy what they point to
    return {"name": name, "revision": revision, "source": settings["source"], **inspect_checkpoint(out)}


def inspect_checkpoint(folder: Path) -> dict[str, Any]:
    """Architecture, sizes and parameter count of a checkpoint folder, read from its files without loading weights.

    Raises `FcAssetsError` naming the first thing that makes it unusable.
    """
    for needed in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        if not (folder / needed).is_file():
            raise FcAssetsError(f"The checkpoint has no {needed}; choose one in Hugging Face's format")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if "auto_map" in config:
        raise FcAssetsError("The checkpoint's config.json wants code of its own (auto_map), which is never run here")
    if config.get("architectures") != [ARCHITECTURE]:
        raise FcAssetsError(f"The checkpoint is a {config.get('architectures')}; the whole graph needs {ARCHITECTURE}")
    shards = sorted(folder.glob("*.safetensors"))
    if not shards:
        raise FcAssetsError("The checkpoint has no .safetensors file; pickled weights are not read")
    tokenizer = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    if "chat_template" not in tokenizer and not (folder / "chat_template.jinja").is_file():
        raise FcAssetsError("The checkpoint has no chat template; choose a chat model or add chat_template.jinja")
    parameters, types = 0, set()
    for shard in shards:
        for tensor in _tensors(shard).values():
            parameters += math.prod(tensor["shape"])
            types.add(tensor["dtype"])
    return {
        "architecture": ARCHITECTURE,
        "parameters": parameters,
        "dtype": "/".join(sorted(types)),
        "layers": config["num_hidden_layers"],
        "hidden_size": config["hidden_size"],
        "vocabulary": config["vocab_size"],
        "context": config["max_position_embeddings"],
        "weights_mb": sum(shard.stat().st_size for shard in shards) / 1e6,
    }


def _tensors(shard: Path) -> dict[str, dict[str, Any]]:
    """The header of a safetensors file: its first eight bytes give the length of the JSON that follows."""
    with shard.open("rb") as stream:
        try:
            (length,) = struct.unpack("<Q", stream.read(8))
            header = json.loads(stream.read(min(length, 100_000_000)))
        except (struct.error, ValueError) as error:
            raise FcAssetsError(f"{shard.name} is not a whole safetensors file ({error}); fetch it again") from None
    return {name: tensor for name, tensor in header.items() if name != "__metadata__"}


if __name__ == "__main__":
    run_child(resolve)
