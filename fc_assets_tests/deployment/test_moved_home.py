"""A home that is moved takes its releases and its stack with it, and no home touches the stack of another."""

import json
from pathlib import Path

import dagster as dg
import pytest
import yaml

from fc_assets import names
from fc_assets.deployment import deploy
from fc_assets.deployment.engine import EngineSpec
from fc_assets.deployment.releases import latest_release
from fc_assets.deployment.targets.stack import STATE_FILE, Stack, StackError, StackState
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.artifacts import ArtifactStore
from fc_assets.profiles import load_profile
from fc_assets_tests.support.lineage import Home

DEMO = load_profile("demo")


def stack_at(home: Path) -> Stack:
    return Stack(ArtifactStore(home), DEMO.deployment)


def serve(stack: Stack, release: str) -> None:
    """Leave the files of a stack that serves this release; nothing is started."""
    engine = EngineSpec(release, "blue", DEMO.server)
    stack.write([engine])
    stack.record(StackState(serving=engine, wanted=True, since="2026-01-01T00:00:00+00:00"))


def mounted(stack: Stack) -> list[Path]:
    """The folders and files of this machine that the containers of the rendered stack see."""
    content = yaml.safe_load((stack.folder / names.COMPOSE_FILE).read_text())
    volumes = [volume for service in content["services"].values() for volume in service.get("volumes", [])]
    sources = [volume["source"] for volume in volumes if isinstance(volume, dict)]
    return [stack.folder / source for source in [*sources, *(each["file"] for each in content["secrets"].values())]]


def test_the_chain_goes_on_where_the_home_lies_now(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    with dg.DagsterInstance.ephemeral() as instance:
        home = Home(before, instance)
        assert home.run().success and home.promote().success
        serve(stack_at(before), latest_release(ArtifactStore(before)).digest)

        home.folder = before.rename(after)
        assert home.remake("eval_report").success
        assert home.promote().success
    stack = stack_at(after)
    serving = stack.state().serving
    assert serving
    release = stack.store.open(names.PROMOTED_POLICY, serving.release)
    assert release.path / names.MODEL_FOLDER in [path.resolve() for path in mounted(stack)]
    assert all(path.exists() for path in mounted(stack))
    stack.write([serving])
    assert all(path.exists() for path in mounted(stack))
    written = [file for file in after.rglob("*") if file.is_file() and str(before).encode() in file.read_bytes()]
    assert written == [], "these files hold the path of the home in which they were made"


def test_a_record_of_an_earlier_version_with_a_path_in_it_is_read(tmp_path: Path) -> None:
    stack = stack_at(tmp_path)
    serve(stack, "a" * 64)
    record = json.loads((stack.folder / STATE_FILE).read_text())
    record["serving"]["folder"] = "/gone/artifacts/promoted_policy/aaaaaaaaaaaaaaaa"
    (stack.folder / STATE_FILE).write_text(json.dumps(record))
    assert stack.state().serving == EngineSpec("a" * 64, "blue", DEMO.server)


def test_a_release_on_record_that_the_home_lacks_is_named(tmp_path: Path) -> None:
    stack = stack_at(tmp_path)
    serve(stack, "a" * 64)
    with pytest.raises(FcAssetsError, match=f"is not in the home {tmp_path}: set FC_ASSETS_HOME"):
        deploy.restore(stack, 96, print)


@pytest.fixture
def started_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that names the folder from which the project's containers were started, as `docker ps` says it here."""
    program, said = tmp_path / "bin" / "docker", tmp_path / "started-from"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\ncase "$*" in *working_dir*) cat {said} ;; esac\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return said


def test_the_stack_of_another_home_is_neither_replaced_nor_stopped(tmp_path: Path, started_from: Path) -> None:
    theirs, ours = stack_at(tmp_path / "theirs"), stack_at(tmp_path / "ours")
    serve(theirs, "a" * 64)
    serve(ours, "b" * 64)
    started_from.write_text(f"{theirs.folder}\n")
    state = ours.state()
    with pytest.raises(StackError, match=f"started by another home, {tmp_path}/theirs, so {tmp_path}/ours cannot use"):
        deploy.stop(ours)
    with pytest.raises(StackError, match="another home"):
        deploy.deploy(ours, "b" * 64, DEMO.server, 96, print)
    assert ours.state() == state
    deploy.stop(theirs)
    assert not theirs.state().wanted


def test_containers_that_were_started_before_the_move_are_its_own(tmp_path: Path, started_from: Path) -> None:
    stack = stack_at(tmp_path / "after")
    serve(stack, "a" * 64)
    started_from.write_text(f"{stack.folder}\n{tmp_path}/before/deployment\n")
    assert stack.former_folders() == [tmp_path / "before" / "deployment"]
    started_from.write_text(f"{stack.folder}\n")
    assert stack.former_folders() == []
