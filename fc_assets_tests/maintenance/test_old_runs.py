"""Which of Dagster's runs go, on a real instance: never one that made or judged what counts."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from fc_assets import cli
from fc_assets.maintenance.old_runs import delete_runs, old_runs

LATER = datetime.now(UTC) + timedelta(days=1)


@dg.asset
def thing() -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"sha256": "d" * 64})


@dg.asset_check(asset=thing)
def thing_is_good() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


@dg.asset
def broken() -> None:
    raise ValueError("no")


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    (tmp_path / "dagster").mkdir()
    with dg.DagsterInstance.from_config(str(tmp_path / "dagster"), "none.yaml") as instance:
        yield instance


def run(instance: dg.DagsterInstance, *selected: object) -> str:
    defs = [thing, thing_is_good, broken]
    selection = dg.AssetSelection.assets(thing) if selected == (thing,) else selected[0]
    return dg.materialize(defs, instance=instance, selection=selection, raise_on_error=False).run_id


def test_old_runs_go_but_not_those_that_made_or_judged_the_latest(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    first = run(instance, thing)
    failed = run(instance, dg.AssetSelection.assets(broken))
    latest = run(instance, thing)
    judged = run(instance, dg.AssetSelection.checks(thing_is_good))
    assert old_runs(instance, tmp_path, before=LATER - timedelta(days=3), kept=()) == []
    kept = {each.run_id for each in old_runs(instance, tmp_path, before=LATER, kept=["d" * 64])}
    assert kept == {failed}, "an artefact that is kept keeps the runs that made it"
    (tmp_path / "logs" / first).mkdir(parents=True)
    (tmp_path / "logs" / first / "trainer.log").write_text("x" * 1000)
    gone = old_runs(instance, tmp_path, before=LATER, kept=())
    assert {each.run_id for each in gone} == {first, failed}
    assert delete_runs(instance, gone) > 1000
    assert {each.run_id for each in instance.get_runs()} == {latest, judged}
    assert not (tmp_path / "logs" / first).exists()
    assert not (tmp_path / "dagster" / "history" / "runs" / f"{first}.db").exists()
    event = instance.get_latest_materialization_event(dg.AssetKey("thing"))
    assert event is not None and event.run_id == latest


@pytest.mark.slow  # Dagster takes seconds to make an instance
def test_the_command_lists_first_and_deletes_when_told_to(
    instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(instance, dg.AssetSelection.assets(broken))
    monkeypatch.setenv("FC_ASSETS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    assert cli.main(["gc"]) == 0
    assert "the runs that Dagster keeps were not looked at" in capsys.readouterr().out
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    assert cli.main(["gc"]) == 0
    assert "0 runs of Dagster older than 90 days" in capsys.readouterr().out
    assert cli.main(["gc", "--run-days", "0"]) == 0
    assert "1 runs of Dagster older than 0 days" in capsys.readouterr().out
    assert len(instance.get_runs()) == 1
    assert cli.main(["gc", "--run-days", "0", "--delete"]) == 0
    assert instance.get_runs() == []
