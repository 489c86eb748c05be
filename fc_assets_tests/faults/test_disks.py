"""Disks that are full or read-only: one sentence, the old artefact stays the current one, and the next run heals."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from fc_assets import cli
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.artifacts import Artifact, ArtifactStore
from fc_assets.foundation.child_processes import processes
from fc_assets.foundation.failures import failure_sentence
from fc_assets.foundation.resources import Runtime, build_resources, latest_artifact
from fc_assets.profiles import load_profile
from fc_assets_tests.faults.counting_job import CountJob
from fc_assets_tests.support.disks import make_read_only, small_disk, why_none

pytestmark = pytest.mark.skipif(bool(why_none()), reason=why_none() or "a disk can be mounted")
MB = 1_000_000


@dg.asset
def thing(context: dg.AssetExecutionContext, runtime: dg.ResourceParam[Runtime]) -> dg.MaterializeResult[Artifact]:
    with runtime.step(context) as step:
        size = runtime.profile.data.rows
        (step.out / "file").write_bytes(bytes(size))
        return step.publish([], {})


@dg.asset
def counted(context: dg.AssetExecutionContext, runtime: dg.ResourceParam[Runtime]) -> dg.MaterializeResult[Artifact]:
    with runtime.step(context) as step:
        job = CountJob(upto=2, checkpoints=step.scratch / "resume", filler=runtime.profile.data.rows)
        result = runtime.run_job(context, job, step.scratch)
        (step.out / "total").write_text(str(result.total))
        return step.publish([], {})


class Line:
    """One asset on a home of its own, made with so many bytes."""

    def __init__(self, home: Path, instance: dg.DagsterInstance) -> None:
        self.home, self.instance = home, instance

    def make(self, size: int, asset: dg.AssetsDefinition = thing) -> str:
        """The sentence of the failed step; empty when it did well."""
        profile = load_profile("demo")
        profile = profile.model_copy(update={"data": profile.data.model_copy(update={"rows": size})})
        resources = build_resources(profile, self.home)
        result = dg.materialize([asset], resources=resources, instance=self.instance, raise_on_error=False)
        return "; ".join(failure_sentence(event) for event in result.all_events if event.is_step_failure)

    def current(self) -> str:
        """The digest of the latest artefact, every byte of which is read."""
        return latest_artifact(self.instance, ArtifactStore(self.home), dg.AssetKey("thing")).digest


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Line(tmp_path / "disk" / "home", instance)


def test_a_full_disk_below_the_home(line: Line, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "2m"):
        assert line.make(MB) == ""
        before = line.current()
        said = line.make(3 * MB)
        assert said.startswith("thing: No space left on the disk") and "nothing was published" in said
        assert line.current() == before
        assert list((line.home / "staging").iterdir()) == []
        assert line.make(MB // 4) == "" and line.current() != before


@pytest.mark.faults
def test_no_more_files_below_the_home(line: Line, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "2m", files=24):
        said = [line.make(size) for size in range(1000, 1006)]
        assert said[0] == "" and said[-1].startswith("thing: No space left on the disk ")
        assert line.current()


@pytest.mark.faults
def test_a_full_disk_in_the_process_of_a_job_whose_log_lies_there_too(line: Line, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "2m"):
        assert line.make(3 * MB, counted).startswith("counted: No space left on the disk of ")
        assert line.make(MB // 4, counted) == ""


def test_a_full_temporary_folder_is_named(line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with small_disk(tmp_path / "tmp", "64k") as folder:
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        (folder / "filler").write_bytes(bytes(64 << 10))
        with (
            pytest.raises(FcAssetsError, match=rf"No space left on the disk of {folder}"),
            ArtifactStore(line.home).workspace("thing"),
            processes.temporary_folder("bench") as scratch,
        ):
            (scratch / "file").write_text("x" * 5000)


@pytest.mark.faults
def test_a_home_on_a_read_only_disk(line: Line, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "2m"):
        assert line.make(MB) == ""
        before = line.current()
        make_read_only(tmp_path / "disk")
        assert "is on a disk that is mounted read-only" in line.make(MB // 2)
        assert line.current() == before, "what is there can still be read"


@pytest.mark.faults
def test_an_instance_on_a_read_only_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with small_disk(tmp_path / "disk", "1m") as folder:
        make_read_only(folder)
        monkeypatch.setenv("DAGSTER_HOME", str(folder))
        assert cli.main(["demo"]) == 1
    assert "which is no folder that this user may write into" in capsys.readouterr().err
