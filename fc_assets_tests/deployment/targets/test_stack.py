"""What the stack on this machine says of an engine, by a `docker` that answers as Docker does for one container."""

from pathlib import Path

import pytest

from fc_assets.deployment.targets.stack import Stack
from fc_assets.foundation.artifacts import ArtifactStore
from fc_assets.profiles import load_profile

DOCKER = """#!/bin/sh
case "$1" in
  ps) {ids} ;;
  inspect) echo '{inspected}' ;;
  logs) echo 'CUDA out of memory' ;;
esac
"""


def stack(folder: Path, monkeypatch: pytest.MonkeyPatch, inspected: str) -> Stack:
    """A stack whose engine has this status, restarts, exit status and image; with none there is no engine."""
    program = folder / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(DOCKER.format(ids="echo c0ffee" if inspected else ":", inspected=inspected))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return Stack(ArtifactStore(folder), load_profile("demo").deployment)


@pytest.mark.parametrize(
    ("inspected", "said", "runs"),
    [
        ("running 0 0 sha256:1", "", True),
        (
            "exited 0 3 sha256:1",
            "The engine ended while it was starting, with status 3; its log ends:\nCUDA out",
            False,
        ),
        ("restarting 1 1 sha256:1", "The engine ended while it was starting, with status 1; its log ends:", False),
        ("running 1 0 sha256:1", "The engine ended while it was starting; its log ends:", True),
        ("", "The engine ended while it was starting; its log ends:\n", False),
    ],
)
def test_an_engine_that_fell_over_says_how(
    inspected: str, said: str, runs: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = stack(tmp_path, monkeypatch, inspected)
    failed = site.why_failed("blue")
    assert failed.startswith(said) and bool(failed) is bool(said)
    assert site.runs("blue") is runs
    assert site.image("blue") == ("sha256:1" if inspected else "")
