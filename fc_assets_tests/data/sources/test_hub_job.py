"""The hub path, by the real `datasets`, against a stand-in hub on 127.0.0.1: refusals, broken downloads, warm cache."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fc_assets.data.jobs import HubDataset, HubDownloadJob
from fc_assets.data.sources.files import read_files
from fc_assets.data.sources.generator import generate_rows
from fc_assets.foundation.child_processes.jobs import write_job
from fc_assets_tests.support.hub import EXPIRED_TOKEN, Hub, serving

REPO = "Salesforce/xlam-function-calling-60k"
KEY = f"datasets/{REPO}"
ROWS = list(generate_rows(1500, 1))
# The hub's client writes in pieces of 10 MiB, so a resumable download must be larger: blanks between the rows.
CONTENT = ("[" + (",\n" + " " * 16_000).join(json.dumps(row) for row in ROWS) + "]").encode()
PIECE = 10 << 20


@dataclass
class Client:
    """Runs the download in its own process with a cache of its own."""

    hub: Hub
    folder: Path

    @property
    def out(self) -> Path:
        return self.folder / "rows.parquet"

    def fetch(self, repo: str = REPO, revision: str = "main", **environment: str) -> str:
        """Download; return the sentence that the process ended with, empty if it succeeded."""
        dataset = HubDataset(name=repo, revision=revision, file=self.out)
        files = write_job(HubDownloadJob(datasets=(dataset,)), self.folder)
        ended = subprocess.run(
            files.argv,
            env={**_without_tokens(), "HF_ENDPOINT": self.hub.url, "HF_HOME": str(self.folder / "hf"), **environment},
            capture_output=True,
            text=True,
            timeout=120,
        )
        if ended.returncode == 0:
            assert files.result().rows == {repo: len(ROWS)}
            return ""
        last = ended.stderr.strip().splitlines()[-1]
        assert last.startswith("error: "), ended.stderr
        assert not self.out.exists()
        return last

    def rows(self) -> list[object]:
        return [row.value for row in read_files(self.out)]


def _without_tokens() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING_FACE"))}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "xlam_function_calling_60k.json").write_bytes(CONTENT)
    with serving(Hub({KEY: folder})) as hub:
        yield Client(hub, tmp_path)


def test_a_gated_data_set_without_a_token(client: Client):
    client.hub.gated.add(KEY)
    said = client.fetch()
    assert f"{REPO} is gated: accept its terms at {client.hub.url}/datasets/{REPO} and set HF_TOKEN" in said


@pytest.mark.slow
def test_a_token_whose_owner_has_not_accepted(client: Client):
    client.hub.gated.add(KEY)
    assert "accept its terms at" in client.fetch(HF_TOKEN="hf_of_somebody_else")


@pytest.mark.slow
def test_an_invalid_token(client: Client):
    assert "does not accept the token" in client.fetch(HF_TOKEN=EXPIRED_TOKEN)


@pytest.mark.slow
def test_an_unknown_data_set_or_revision(client: Client):
    assert "no data set some/other at revision main" in client.fetch("some/other", HF_TOKEN=client.hub.token)
    assert f"no data set {REPO} at revision absent" in client.fetch(revision="absent", HF_TOKEN=client.hub.token)


@pytest.mark.slow
def test_download_then_offline_from_the_warm_cache(client: Client):
    client.hub.gated.add(KEY)
    assert client.fetch(HF_TOKEN=client.hub.token) == ""
    assert client.rows() == ROWS
    client.out.unlink()
    asked = len(client.hub.requests)
    assert client.fetch(HF_HUB_OFFLINE="1") == ""
    assert client.rows() == ROWS
    assert len(client.hub.requests) == asked


@pytest.mark.slow
def test_a_broken_download_goes_on_where_it_stopped(client: Client):
    client.hub.cut_after, client.hub.cuts = PIECE + 1000, 1
    assert client.fetch() == ""
    assert client.rows() == ROWS
    assert any(method == "GET" and f"bytes={PIECE}-" in part for method, _, part in client.hub.requests)


@pytest.mark.slow
def test_a_connection_that_never_holds(client: Client):
    client.hub.cut_after, client.hub.cuts = 1000, 10**6
    said = client.fetch()
    assert "cannot be had from the hub" in said
    assert "what was downloaded is kept" in said


@pytest.mark.slow
def test_offline_without_a_cache(client: Client):
    assert "is not in the local cache and HF_HUB_OFFLINE forbids" in client.fetch(HF_HUB_OFFLINE="1")
