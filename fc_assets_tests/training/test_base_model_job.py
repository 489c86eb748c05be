"""`base_model`: every source, and what is said of one that cannot be had."""

import logging
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from fc_assets.foundation.child_processes.jobs import JobFiles, write_job
from fc_assets.profiles import BaseModelSettings
from fc_assets.training import base_model_job
from fc_assets.training.jobs import BaseModelJob, BaseModelResult
from fc_assets_tests.support.hub import COMMIT, Hub, serving
from fc_assets_tests.training.conftest import write_weights


def written_job(tmp_path: Path, settings: BaseModelSettings) -> JobFiles[BaseModelResult]:
    return write_job(BaseModelJob(settings=settings, out=tmp_path / "out"), tmp_path)


def fetch(
    tmp_path: Path, settings: BaseModelSettings, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    shutil.rmtree(tmp_path / "out", ignore_errors=True)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    return subprocess.run(
        written_job(tmp_path, settings).argv,
        env={**clean, "HF_HOME": str(tmp_path / "cache"), **(env or {})},
        capture_output=True,
        text=True,
    )


def fetched(tmp_path: Path, settings: BaseModelSettings, env: dict[str, str] | None = None) -> BaseModelResult:
    done = fetch(tmp_path, settings, env)
    assert done.returncode == 0, done.stderr
    return written_job(tmp_path, settings).result()


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1, done.stderr
    return done.stderr.strip().splitlines()[-1]


def test_a_folder_is_copied_without_pickles_and_code(tmp_path: Path, checkpoint: Path) -> None:
    found = fetched(tmp_path, BaseModelSettings(source="folder", path=str(checkpoint)))
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"}
    assert found.parameters == 300 * 256
    assert found.dtype == "BF16"
    assert (found.name, found.revision, found.source) == ("checkpoint", "", "folder")


def test_a_folder_is_called_by_its_own_name_and_not_as_the_one_on_the_hub(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Adapters name their base by it."""
    monkeypatch.chdir(checkpoint)
    assert BaseModelSettings().model == "Qwen/Qwen3-0.6B"
    for path in (".", "../checkpoint/", str(checkpoint)):
        job = BaseModelJob(settings=BaseModelSettings(source="folder", path=path), out=tmp_path / "out")
        found = base_model_job.fetch(job, logging.getLogger(__name__))
        assert (found.name, found.revision) == ("checkpoint", "")


def test_the_embedded_model_resolves(tmp_path: Path) -> None:
    found = fetched(tmp_path, BaseModelSettings(source="embedded"))
    assert 1_000_000 <= found.parameters <= 4_000_000
    assert found.weights_mb <= 12
    assert found.hidden_size % 256 == 0


def test_a_path_that_is_no_folder(tmp_path: Path) -> None:
    assert "base_model.path is '/no/such', which is no folder" in complaint(
        fetch(tmp_path, BaseModelSettings(source="folder", path="/no/such"))
    )


def test_the_hub_is_downloaded_resumed_cached_and_then_read_offline(tmp_path: Path, checkpoint: Path) -> None:
    write_weights(checkpoint / "model.safetensors", 12_000, 1024)  # the client reads in chunks of 10 MB
    hub = Hub({"models/Qwen/Qwen3-0.6B": checkpoint}, cut_after=12_000_000)
    with serving(hub):
        settings, env = BaseModelSettings(), {"HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1"}
        done = fetch(tmp_path, settings, env)
        if done.returncode:  # the client gave up at the cut: the next attempt must go on from there
            done = fetch(tmp_path, settings, env)
        assert done.returncode == 0, done.stderr
        assert written_job(tmp_path, settings).result().revision == COMMIT
        weights = (tmp_path / "out" / "model.safetensors").read_bytes()
        assert weights == (checkpoint / "model.safetensors").read_bytes()
        ranges = [ranged for method, path, ranged in hub.requests if path.endswith("model.safetensors") and ranged]
        assert ranges and not ranges[-1].startswith("bytes=0-"), "the download started again instead of resuming"
        assert not any(path.endswith((".bin", ".py")) for _, path, _ in hub.requests)
    done = fetch(tmp_path, settings, {**env, "HF_HUB_OFFLINE": "1"})
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == weights


def test_a_gated_model_says_what_to_accept_and_what_to_set(tmp_path: Path, checkpoint: Path) -> None:
    hub = Hub({"models/Qwen/Qwen3-0.6B": checkpoint}, gated={"models/Qwen/Qwen3-0.6B"})
    with serving(hub):
        env = {"HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1"}
        message = complaint(fetch(tmp_path, BaseModelSettings(), env))
        assert "Qwen/Qwen3-0.6B is gated" in message
        assert "HF_TOKEN" in message
        assert fetch(tmp_path, BaseModelSettings(), {**env, "HF_TOKEN": hub.token}).returncode == 0


def test_a_model_that_does_not_exist(tmp_path: Path, checkpoint: Path) -> None:
    with serving(Hub({})) as hub:
        message = complaint(fetch(tmp_path, BaseModelSettings(), {"HF_ENDPOINT": hub.url}))
    assert "no model Qwen/Qwen3-0.6B at revision main" in message and "base_model.model" in message


def test_no_hub_and_no_cache(tmp_path: Path) -> None:
    message = complaint(fetch(tmp_path, BaseModelSettings(), {"HF_HUB_OFFLINE": "1"}))
    assert "not in the local cache" in message
    assert "base_model.path" in message
