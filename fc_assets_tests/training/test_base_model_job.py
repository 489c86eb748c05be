"""`base_model`: every source, and every checkpoint that must be refused."""

import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from fc_assets.errors import FcAssetsError
from fc_assets.training.base_model_job import inspect_checkpoint
from fc_assets_tests.support.hub import COMMIT, Hub, serving


def write_safetensors(file: Path, shape: list[int]) -> None:
    """A real safetensors file with one bf16 tensor of zeros."""
    size = 2 * shape[0] * shape[1]
    header = json.dumps({"weight": {"dtype": "BF16", "shape": shape, "data_offsets": [0, size]}}).encode()
    file.write_bytes(struct.pack("<Q", len(header)) + header + bytes(size))


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    config = {
        "architectures": ["Qwen3ForCausalLM"],
        "num_hidden_layers": 2,
        "hidden_size": 256,
        "vocab_size": 1000,
        "max_position_embeddings": 2048,
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{ messages }}"}))
    write_safetensors(folder / "model.safetensors", [300, 256])
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    (folder / "modeling_custom.py").write_text("raise SystemExit")
    return folder


def resolve(tmp_path: Path, settings: dict, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    out = tmp_path / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    job = {
        "settings": {"model": "Qwen/Qwen3-0.6B", "revision": "main", "path": "", **settings},
        "out": str(out),
        "result": str(tmp_path / "result.json"),
    }
    (tmp_path / "job.json").write_text(json.dumps(job))
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    return subprocess.run(
        [sys.executable, "-m", "fc_assets.training.base_model_job", str(tmp_path / "job.json")],
        env={**clean, "HF_HOME": str(tmp_path / "cache"), **(env or {})},
        capture_output=True,
        text=True,
    )


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1, done.stderr
    return done.stderr.strip().splitlines()[-1]


def test_a_folder_is_copied_without_pickles_and_code(tmp_path: Path, checkpoint: Path) -> None:
    done = resolve(tmp_path, {"source": "folder", "path": str(checkpoint)})
    assert done.returncode == 0, done.stderr
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"}
    found = json.loads((tmp_path / "result.json").read_text())
    assert found["parameters"] == 300 * 256
    assert found["dtype"] == "BF16"


def test_the_embedded_model_resolves(tmp_path: Path) -> None:
    assert resolve(tmp_path, {"source": "embedded"}).returncode == 0
    found = json.loads((tmp_path / "result.json").read_text())
    assert 1_000_000 <= found["parameters"] <= 4_000_000
    assert found["weights_mb"] <= 12
    assert found["hidden_size"] % 256 == 0


def test_a_path_that_is_no_folder(tmp_path: Path) -> None:
    assert "base_model.path is '/no/such', which is no folder" in complaint(
        resolve(tmp_path, {"source": "folder", "path": "/no/such"})
    )


def test_the_hub_is_downloaded_resumed_cached_and_then_read_offline(tmp_path: Path, checkpoint: Path) -> None:
    write_safetensors(checkpoint / "model.safetensors", [12_000, 1024])  # the client reads in chunks of 10 MB
    hub = Hub({"models/Qwen/Qwen3-0.6B": checkpoint}, cut_after=12_000_000)
    with serving(hub):
        settings, env = {"source": "hub"}, {"HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1"}
        done = resolve(tmp_path, settings, env)
        if done.returncode:  # the client gave up at the cut: the next attempt must go on from there
            done = resolve(tmp_path, settings, env)
        assert done.returncode == 0, done.stderr
        assert json.loads((tmp_path / "result.json").read_text())["revision"] == COMMIT
        weights = (tmp_path / "out" / "model.safetensors").read_bytes()
        assert weights == (checkpoint / "model.safetensors").read_bytes()
        ranges = [ranged for method, path, ranged in hub.requests if path.endswith("model.safetensors") and ranged]
        assert ranges and not ranges[-1].startswith("bytes=0-"), "the download started again instead of resuming"
        assert not any(path.endswith((".bin", ".py")) for _, path, _ in hub.requests)
    done = resolve(tmp_path, settings, {**env, "HF_HUB_OFFLINE": "1"})
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == weights


def test_a_gated_model_says_what_to_accept_and_what_to_set(tmp_path: Path, checkpoint: Path) -> None:
    hub = Hub({"models/Qwen/Qwen3-0.6B": checkpoint}, gated={"models/Qwen/Qwen3-0.6B"})
    with serving(hub):
        env = {"HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1"}
        message = complaint(resolve(tmp_path, {"source": "hub"}, env))
        assert "Qwen/Qwen3-0.6B is gated" in message
        assert "HF_TOKEN" in message
        assert resolve(tmp_path, {"source": "hub"}, {**env, "HF_TOKEN": hub.token}).returncode == 0


def test_a_model_that_does_not_exist(tmp_path: Path, checkpoint: Path) -> None:
    with serving(Hub({})) as hub:
        message = complaint(resolve(tmp_path, {"source": "hub"}, {"HF_ENDPOINT": hub.url}))
    assert "no model Qwen/Qwen3-0.6B at revision main" in message and "base_model.model" in message


def test_no_hub_and_no_cache(tmp_path: Path) -> None:
    message = complaint(resolve(tmp_path, {"source": "hub"}, {"HF_HUB_OFFLINE": "1"}))
    assert "not in the local cache" in message
    assert "base_model.path" in message


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / "tokenizer.json").unlink(), "no tokenizer.json"),
        (lambda folder: (folder / "model.safetensors").unlink(), "no .safetensors file"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"\x10\0\0\0"), "not a whole safetensors file"),
        (lambda folder: (folder / "tokenizer_config.json").write_text("{}"), "no chat template"),
        (lambda folder: edit(folder, architectures=["LlamaForCausalLM"]), "needs Qwen3ForCausalLM"),
        (lambda folder: edit(folder, auto_map={"AutoModel": "modeling_custom.Model"}), "code of its own"),
    ],
)
def test_unusable_checkpoints_are_refused_by_name(checkpoint: Path, spoil, words: str) -> None:
    spoil(checkpoint)
    with pytest.raises(FcAssetsError, match=words):
        inspect_checkpoint(checkpoint)


def edit(folder: Path, **values: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **values}))
