"""Assets, profile and artefacts joined by Dagster, on a real instance."""

from pathlib import Path

import dagster as dg
import pytest

from fc_assets.foundation.artifacts import Artifact, ArtifactStore
from fc_assets.foundation.resources import Runtime, build_resources, profile_resource
from fc_assets.profiles import Profile, load_profile, profile_names
from fc_assets_tests.foundation.refusing_job import RefusingJob


@dg.asset
def first(context: dg.AssetExecutionContext, runtime: dg.ResourceParam[Runtime]) -> dg.MaterializeResult[Artifact]:
    with runtime.step(context) as step:
        (step.out / "rank.txt").write_text(str(runtime.profile.sft.lora.rank))
        return step.publish([], {"rank": runtime.profile.sft.lora.rank, "broken": float("nan")}, report={"a": 1})


@dg.asset
def second(
    context: dg.AssetExecutionContext, runtime: dg.ResourceParam[Runtime], first: Artifact
) -> dg.MaterializeResult[Artifact]:
    with runtime.step(context) as step:
        (step.out / "copy.txt").write_text((first.path / "rank.txt").read_text())
        return step.publish([first], {})


@dg.asset
def hopeless(context: dg.AssetExecutionContext, runtime: dg.ResourceParam[Runtime]) -> dg.MaterializeResult[Artifact]:
    with runtime.step(context) as step:
        runtime.run_job(context, RefusingJob(sentence="base_model.path is '', which is no folder"), step.scratch)
        return step.publish([], {})


@dg.asset
def resumable(context: dg.AssetExecutionContext, runtime: dg.ResourceParam[Runtime]) -> dg.MaterializeResult[Artifact]:
    with runtime.step(context) as step:
        resume = runtime.resume_folder(context.asset_key, [], runtime.profile.sft)
        (step.out / "attempt").write_text("first" if not (resume / "work").exists() else "resumed")
        (resume / "work").write_text("hours of it")
        return step.publish([], {}, resume=resume)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def materialize(home: Path, instance: dg.DagsterInstance, assets: list, run_config: dict | None = None, **options):
    resources = build_resources(load_profile("demo"), home)
    return dg.materialize(
        assets, resources=resources, instance=instance, run_config=run_config, raise_on_error=False, **options
    )


def failure(result: dg.ExecuteInProcessResult) -> str:
    event = next(event for event in result.all_events if event.is_step_failure)
    return event.event_specific_data.user_failure_data.description


def test_lineage_and_data_version_are_digests(home: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert materialize(home, instance, [first, second]).success
        event = instance.get_latest_materialization_event(dg.AssetKey("second")).asset_materialization
        upstream = instance.get_latest_materialization_event(dg.AssetKey("first")).asset_materialization
        assert event.metadata["inputs"].value == {"first": upstream.metadata["sha256"].value}
        assert event.tags["dagster/data_version"] == event.metadata["sha256"].value
        assert event.metadata["profile"].value == "demo"
        assert event.metadata["all_versions_mb"].value == ArtifactStore(Path(home)).disk_use("second") / 1e6 > 0
        assert Path(home, event.metadata["path"].value, "copy.txt").read_text() == "32"
        assert upstream.metadata["broken"].value is None


@pytest.mark.parametrize("name", profile_names())
@pytest.mark.parametrize("config", [{}, {"grpo": {"rewards": {"hygiene": 0.5}}}])
def test_the_resource_is_the_profile_but_for_what_is_overridden(name: str, config: dict) -> None:
    seen: list[Profile] = []

    @dg.op(required_resource_keys={"profile"})
    def look(context: dg.OpExecutionContext) -> None:
        seen.append(context.resources.profile)

    @dg.job(resource_defs={"profile": profile_resource(load_profile(name))})
    def job() -> None:
        look()

    job.execute_in_process(run_config={"resources": {"profile": {"config": config}}} if config else {})
    expected = load_profile(name).model_dump()
    if config:
        expected["grpo"]["rewards"]["hygiene"] = 0.5
    assert seen[0].model_dump() == expected


def test_one_field_is_overridden_in_the_run_config(home: Path) -> None:
    config = {"resources": {"profile": {"config": {"sft": {"lora": {"rank": 7}}}}}}
    with dg.DagsterInstance.ephemeral() as instance:
        result = materialize(home, instance, [first], config)
        assert (result.output_for_node("first").path / "rank.txt").read_text() == "7"


def test_a_wrong_override_is_refused(home: Path) -> None:
    config = {"resources": {"profile": {"config": {"sft": {"rows_per_step": 0}}}}}
    with dg.DagsterInstance.ephemeral() as instance:
        result = materialize(home, instance, [first], config)
        assert not result.success
        text = " ".join(str(event.event_specific_data) for event in result.all_events)
        assert "sft.rows_per_step" in text
        assert "greater than or equal to 1" in text


def test_a_downstream_step_runs_alone_on_another_day(home: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert materialize(home, instance, [first]).success
        assert materialize(home, instance, [first, second], selection=["second"]).success


def test_a_missing_upstream_is_one_sentence(home: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        result = materialize(home, instance, [first, second], selection=["second"])
        assert failure(result) == "first has not been materialised yet; materialise it first"


def test_a_changed_byte_stops_the_next_step_and_the_one_after_heals_it(home: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        artifact = materialize(home, instance, [first]).output_for_node("first")
        (artifact.path / "rank.txt").write_text("33")
        result = materialize(home, instance, [first, second], selection=["second"])
        assert "first at" in failure(result)
        assert artifact.digest in failure(result)
        assert not (home / "artifacts" / "second").exists()
        assert materialize(home, instance, [first, second]).success


def test_a_childs_complaint_is_the_steps_sentence_and_leaves_nothing(home: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        result = materialize(home, instance, [hopeless])
        assert failure(result).startswith("hopeless: base_model.path is ''")
        assert "Traceback" not in failure(result)
        assert list((home / "staging").iterdir()) == []
        assert not (home / "artifacts").exists()


def test_what_can_be_resumed_stays_until_the_materialisation_is_recorded(home: Path) -> None:
    """A kill, or an instance that is full, between publishing and recording costs nothing."""
    with dg.DagsterInstance.ephemeral() as lost:
        assert materialize(home, lost, [resumable]).success
        (work,) = (home / "resume").rglob("work")
    with dg.DagsterInstance.ephemeral() as instance:
        attempt = materialize(home, instance, [resumable]).output_for_node("resumable")
        assert (attempt.path / "attempt").read_text() == "resumed", "the first was recorded nowhere"
        assert work.is_file()
        assert materialize(home, instance, [first]).success
        assert not list((home / "resume").rglob("*/*")), "any later step sweeps what is recorded"
        attempt = materialize(home, instance, [resumable]).output_for_node("resumable")
        assert (attempt.path / "attempt").read_text() == "first", "what is recorded is made anew when it is asked for"


def test_a_step_whose_recording_fails_keeps_what_can_be_resumed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        store_event = instance.event_log_storage.store_event

        def full(event: dg.EventLogEntry) -> None:
            if event.dagster_event and event.dagster_event.event_type_value == "ASSET_MATERIALIZATION":
                raise OSError(28, "No space left on device")
            store_event(event)

        with monkeypatch.context() as patched:
            patched.setattr(instance.event_log_storage, "store_event", full)
            assert not materialize(home, instance, [resumable]).success
        assert materialize(home, instance, [first]).success
        attempt = materialize(home, instance, [resumable]).output_for_node("resumable")
        assert (attempt.path / "attempt").read_text() == "resumed"
