"""The init container's script, run as it is in a pod: by path, over HTTP and from a volume, and every way to fail."""

import http.server
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fc_assets.deployment.kubernetes.helm import CHART
from fc_assets.foundation.artifacts import ArtifactStore

SCRIPT = CHART / "files" / "fetch_release.py"


@pytest.fixture
def release(tmp_path: Path) -> tuple[Path, str]:
    """The folder of all releases, and the digest of the one in it."""
    store = ArtifactStore(tmp_path / "home")
    with store.workspace("promoted_policy") as out:
        (out / "model").mkdir()
        (out / "model" / "config.json").write_text("{}")
        (out / "model" / "model.safetensors").write_bytes(b"w" * 3_000_000)
        (out / "canary.json").write_text("[]")
        digest = store.publish("promoted_policy", out).digest
    return store.home / "artifacts" / "promoted_policy", digest


class Server(http.server.ThreadingHTTPServer):
    """Serves a folder; answers 503 so often before, and wants a header where one is set."""

    failures = 0
    wanted = ""


@pytest.fixture
def server(release: tuple[Path, str]) -> Iterator[Server]:
    class Handler(http.server.SimpleHTTPRequestHandler):
        server: Server

        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(release[0]))  # type: ignore[arg-type]

        def do_GET(self) -> None:
            if self.server.failures:
                self.server.failures -= 1
                self.send_error(503)
            elif self.headers.get("Authorization", "") != self.server.wanted:
                self.send_error(403)
            else:
                super().do_GET()

        def log_message(self, *_: object) -> None: ...

    with Server(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def url(server: Server) -> str:
    return f"http://127.0.0.1:{server.server_port}/"


def fetch(source: object, digest: str, target: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    target.parent.mkdir(exist_ok=True)
    command = [sys.executable, "-I", str(SCRIPT), str(source), digest, str(target)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd="/")


def refused(result: subprocess.CompletedProcess[str], target: Path) -> str:
    """The one sentence of a failed fetch, which left nothing in place."""
    assert result.returncode == 1 and not target.exists()
    (line,) = result.stderr.splitlines()
    return line


def test_the_checkpoint_comes_from_a_volume(release: tuple[Path, str], tmp_path: Path) -> None:
    folder, digest = release
    target = tmp_path / "releases" / digest[:16]
    result = fetch(folder, digest, target)
    assert result.returncode == 0, result.stderr
    assert sorted(file.name for file in (target / "model").iterdir()) == ["config.json", "model.safetensors"]
    assert not (target / "canary.json").exists()
    assert fetch("/nowhere", digest, target).returncode == 0  # a pod's container that restarts has it already


def test_the_checkpoint_comes_by_http_even_when_the_first_answer_is_none(
    release: tuple[Path, str], server: Server, tmp_path: Path
) -> None:
    server.failures, server.wanted = 1, "Bearer secret"
    target = tmp_path / "releases" / "r"
    result = fetch(url(server), release[1], target, FC_RELEASES_AUTHORIZATION="Bearer secret")
    assert result.returncode == 0, result.stderr
    assert (target / "model" / "model.safetensors").stat().st_size == 3_000_000


def test_no_permission_is_said(release: tuple[Path, str], server: Server, tmp_path: Path) -> None:
    server.wanted = "Bearer secret"
    said = refused(fetch(url(server), release[1], tmp_path / "r"), tmp_path / "r")
    assert "MANIFEST.json answered 403" in said and "kubernetes.releases" in said


def test_another_release_in_its_place_is_refused(release: tuple[Path, str], tmp_path: Path) -> None:
    folder, digest = release
    wanted = digest[:16] + "0" * 48
    assert "holds another release" in refused(fetch(folder, wanted, tmp_path / "r"), tmp_path / "r")


def test_a_file_that_was_changed_is_refused(release: tuple[Path, str], server: Server, tmp_path: Path) -> None:
    folder, digest = release
    weights = folder / digest[:16] / "model" / "model.safetensors"
    weights.write_bytes(b"x" + weights.read_bytes()[1:])
    for source in (folder, url(server)):
        assert "model.safetensors is damaged" in refused(fetch(source, digest, tmp_path / "r"), tmp_path / "r")


def test_a_manifest_that_names_a_file_elsewhere_is_refused(tmp_path: Path) -> None:
    import hashlib
    import json

    entry = {"sha256": "0" * 64, "bytes": 1}
    digest = hashlib.sha256(f"{'0' * 64}  1  ../model/evil\n".encode()).hexdigest()
    (tmp_path / digest[:16]).mkdir()
    (tmp_path / digest[:16] / "MANIFEST.json").write_text(json.dumps({"files": {"../model/evil": entry}}))
    assert "outside of the release" in refused(fetch(tmp_path, digest, tmp_path / "r"), tmp_path / "r")


@pytest.mark.parametrize("digest", ["latest", "a" * 16])
def test_a_digest_that_is_none_is_refused(digest: str, tmp_path: Path) -> None:
    assert "is no digest" in refused(fetch(tmp_path, digest, tmp_path / "r"), tmp_path / "r")


def test_a_release_that_is_not_there_is_said(tmp_path: Path) -> None:
    said = refused(fetch(tmp_path, "a" * 64, tmp_path / "r"), tmp_path / "r")
    assert "cannot be read: No such file or directory" in said
