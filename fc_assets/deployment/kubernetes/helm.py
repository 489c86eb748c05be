"""Helm, as the command of that name: the chart's manifests for given values. Which values, is said in `values`."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.child_processes.commands import CommandError, capture
from fc_assets.foundation.child_processes.processes import temporary_folder
from fc_assets.names import CHART_FOLDER

CHART = Path(__file__).parent / CHART_FOLDER
"""The chart, part of the package; `deploy/helm/fc-assets` is a link to it."""

Manifest = dict[str, Any]
"""One Kubernetes object."""

_TIMEOUT_S = 60.0


def why_no_helm() -> str:
    """Why nothing can be rendered on this machine, as the end of a sentence; empty when it can."""
    return "" if shutil.which("helm") else "Helm is not on this machine (install Helm 3.13 or newer)"


def to_yaml(values: Mapping[str, Any]) -> str:
    """Values or a manifest as a file's text."""
    return yaml.safe_dump(dict(values), sort_keys=False, width=120)


def render(name: str, namespace: str, values: Mapping[str, Any]) -> str:
    """The chart's manifests for an installation called `name`, as YAML. Raises `FcAssetsError` with Helm's reason."""
    if missing := why_no_helm():
        raise FcAssetsError(f"The manifests cannot be rendered: {missing}")
    with temporary_folder("helm") as folder:
        file, out = folder / "values.yaml", folder / "out"
        file.write_text(to_yaml(values), encoding="utf-8")
        command = ["helm", "template", name, str(CHART), "--namespace", namespace, "--values", str(file)]
        try:
            capture([*command, "--output-dir", str(out)], timeout_s=_TIMEOUT_S)
        except CommandError as error:
            reason = " ".join(error.output.split()) or str(error)
            raise FcAssetsError(f"Helm refuses the values of the chart (kubernetes.values): {reason[-600:]}") from error
        texts = [file.read_text(encoding="utf-8") for file in sorted(out.rglob("*.yaml"))]
    return "".join(texts)


def parse(manifests: str) -> list[Manifest]:
    """The objects in a file of manifests."""
    return [each for each in yaml.safe_load_all(manifests) if each]
