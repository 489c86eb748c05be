"""What was damaged, edited or swapped on the disk is found before it is used: in every stage, and before serving."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fc_assets.deployment.releases import kept_release, latest_release
from fc_assets.deployment.targets.stack import STATE_FILE, Stack, StackError
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.artifacts import Artifact, ArtifactChangedError, ArtifactStore
from fc_assets.foundation.json_files import read_json, write_json
from fc_assets.names import MANIFEST, PROMOTED_POLICY
from fc_assets.profiles import load_profile

FLIPS = 40


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "home")


def publish(store: ArtifactStore, content: bytes, asset: str = PROMOTED_POLICY) -> Artifact:
    with store.workspace(asset) as folder:
        (folder / "out" / "model").mkdir(parents=True)
        (folder / "out" / "model" / "weights").write_bytes(content)
        (folder / "out" / "release.json").write_text("{}")
        return store.publish(asset, folder / "out", inputs={"base_model": "0" * 64})


def test_every_flipped_byte_is_found(store: ArtifactStore) -> None:
    weights = random.Random(0).randbytes(2000)
    made = publish(store, weights)
    for seed in range(FLIPS):
        damaged = bytearray(weights)
        damaged[random.Random(seed).randrange(len(weights))] ^= 1 << seed % 8
        (made.path / "model" / "weights").write_bytes(damaged)
        with pytest.raises(ArtifactChangedError):
            latest_release(store)
    (made.path / "model" / "weights").write_bytes(weights)
    assert latest_release(store).digest == made.digest


@pytest.mark.parametrize(
    "change",
    [
        {"created": "2099-01-01T00:00:00+00:00"},
        {"inputs": {}},
        {"settings": {"server": {"dtype": "float16"}}},
        {"asset": "grpo_policy"},
        {"digest": "f" * 64},
        {"files": {}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_an_edited_manifest_is_found_before_it_is_believed(store: ArtifactStore, change: dict[str, object]) -> None:
    made = publish(store, b"old")
    publish(store, b"new")
    write_json(made.path / MANIFEST, {**read_json(made.path / MANIFEST), **change})
    for use in (latest_release, lambda store: kept_release(store, made.digest)):
        with pytest.raises(ArtifactChangedError, match=r"MANIFEST\.json is not as promoted_policy was published"):
            use(store)


def test_a_file_list_that_is_rewritten_seal_and_all_is_found(store: ArtifactStore) -> None:
    made = publish(store, b"old")
    said = read_json(made.path / MANIFEST)
    said.pop("seal")
    write_json(made.path / MANIFEST, {**said, "files": {"another": {"sha256": "0" * 64, "bytes": 1}}})
    with pytest.raises(ArtifactChangedError, match="lists other files"):
        store.open(PROMOTED_POLICY, made.digest)


@pytest.mark.parametrize("damage", ["missing", "half", "no object"])
def test_a_manifest_that_is_gone_or_half_is_found(store: ArtifactStore, damage: str) -> None:
    made = publish(store, b"old")
    manifest = made.path / MANIFEST
    if damage == "missing":
        manifest.unlink()
    else:
        manifest.write_text(manifest.read_text()[:40] if damage == "half" else "[]")
    with pytest.raises(FcAssetsError, match=r"MANIFEST\.json"):
        store.open(PROMOTED_POLICY, made.digest)


def test_swapped_folders_are_found(store: ArtifactStore) -> None:
    first, second = publish(store, b"first"), publish(store, b"second")
    first.path.rename(store.home / "aside")
    second.path.rename(first.path)
    (store.home / "aside").rename(second.path)
    for made in (first, second):
        with pytest.raises(ArtifactChangedError):
            store.open(PROMOTED_POLICY, made.digest)
    with pytest.raises(ArtifactChangedError):
        latest_release(store)


def test_a_folder_of_another_asset_is_found(store: ArtifactStore) -> None:
    made = publish(store, b"same", "grpo_policy")
    target = store.folder(PROMOTED_POLICY, made.digest)
    target.parent.mkdir(parents=True)
    shutil.copytree(made.path, target)
    with pytest.raises(ArtifactChangedError, match="belongs to another folder"):
        latest_release(store)


def as_list(state: bytes) -> bytes:
    return json.dumps([json.loads(state)]).encode()


@pytest.mark.parametrize(
    "damage",
    [lambda state: b"", lambda state: state[:20], lambda state: b"\xff" + state, as_list, lambda state: b"[" * 10_000],
    ids=["empty", "half", "no UTF-8", "another form", "deep"],
)
def test_a_damaged_record_of_what_serves_is_one_sentence(
    store: ArtifactStore, damage: Callable[[bytes], bytes]
) -> None:
    stack = Stack(store, load_profile("demo").deployment)
    stack.folder.mkdir(parents=True)
    stack.record(stack.state())
    file = stack.folder / STATE_FILE
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(StackError, match=r"state\.json is no record of what serves .*move it away"):
        stack.state()
