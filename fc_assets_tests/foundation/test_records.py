"""What a materialisation records is so: the settings that made it, wherever its home lies; a run's costs lie apart."""

from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from fc_assets import names
from fc_assets.foundation.artifacts import Artifact
from fc_assets.foundation.metadata import ArtifactRecord, record_of
from fc_assets.foundation.resources import Runtime, build_resources, with_settings
from fc_assets.profiles import Profile, load_profile

DEMO = load_profile("demo")


@dg.asset(name=names.BASE_MODEL, code_version="1")
def base_model(context: dg.AssetExecutionContext, runtime: dg.ResourceParam[Runtime]) -> dg.MaterializeResult[Artifact]:
    with runtime.step(context) as step:
        (step.out / "weights").write_text("the same bytes whatever the settings")
        (step.records / "took.txt").write_text("12 s")
        return step.publish([], {"seconds": 12.0})


@dg.asset(name=names.LORA_ADAPTER, code_version="1")
def lora_adapter(
    context: dg.AssetExecutionContext, runtime: dg.ResourceParam[Runtime], base_model: Artifact
) -> dg.MaterializeResult[Artifact]:
    with runtime.step(context) as step:
        (step.out / "adapter").write_text("trained")
        return step.publish([base_model], {})


class Home:
    """An artefact home and an instance, on which the two assets are made."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.folder, self.instance = folder, instance

    def make(self, *assets: str, profile: Profile = DEMO, **overrides: dict) -> dg.ExecuteInProcessResult:
        config = {"resources": {"profile": {"config": overrides}}} if overrides else None
        return dg.materialize(
            with_settings([base_model, lora_adapter], profile),
            selection=list(assets) or None,
            resources=build_resources(profile, self.folder),
            instance=self.instance,
            run_config=config,
            raise_on_error=False,
        )

    def record(self, asset: str) -> ArtifactRecord:
        event = self.instance.get_latest_materialization_event(dg.AssetKey(asset))
        return record_of(event.asset_materialization)

    def status(self, asset: str, profile: Profile = DEMO) -> StaleStatus:
        resources = build_resources(profile, self.folder)
        defs = dg.Definitions(with_settings([base_model, lora_adapter], profile), resources=resources)
        graph = defs.resolve_asset_graph()
        context = LoadingContextForTest(self.instance)
        return CachingStaleStatusResolver(self.instance, graph, context).get_status(dg.AssetKey(asset))


@pytest.fixture
def home(tmp_path: Path):
    with dg.DagsterInstance.ephemeral() as instance:
        yield Home(tmp_path / "home", instance)


def failure(result: dg.ExecuteInProcessResult) -> str:
    event = next(event for event in result.all_events if event.is_step_failure)
    return event.event_specific_data.user_failure_data.description


def test_the_settings_that_made_an_asset_stand_in_its_record_and_its_manifest(home: Home) -> None:
    assert home.make(sft={"max_steps": 8}).success
    record = home.record(names.LORA_ADAPTER)
    assert record.settings["sft"]["max_steps"] == 8
    assert record.settings["base_model"] == DEMO.base_model.model_dump(mode="json"), "inherited from its input"
    assert set(record.settings) == {"sft", "base_model"}
    manifest = next((home.folder / "artifacts" / names.LORA_ADAPTER).iterdir()) / names.MANIFEST
    assert '"max_steps": 8' in manifest.read_text()


def test_the_same_bytes_made_with_other_settings_are_described_by_the_latest(home: Home) -> None:
    assert home.make(sft={"max_steps": 8}).success
    digest = home.record(names.LORA_ADAPTER).digest
    assert home.make(names.LORA_ADAPTER).success
    assert home.record(names.LORA_ADAPTER).digest == digest
    assert home.record(names.LORA_ADAPTER).settings["sft"]["max_steps"] == DEMO.sft.max_steps
    (folder,) = (home.folder / "artifacts" / names.LORA_ADAPTER).iterdir()
    assert f'"max_steps": {DEMO.sft.max_steps}' in (folder / names.MANIFEST).read_text()


def test_an_asset_made_with_other_settings_than_the_locations_is_stale(home: Home) -> None:
    assert home.make().success
    assert home.status(names.LORA_ADAPTER) == StaleStatus.FRESH
    assert home.make(names.LORA_ADAPTER, sft={"max_steps": 8}).success
    assert home.status(names.LORA_ADAPTER) == StaleStatus.STALE
    assert home.make(names.LORA_ADAPTER).success
    assert home.status(names.LORA_ADAPTER) == StaleStatus.FRESH


def test_a_changed_section_makes_stale_what_it_makes_and_nothing_else(home: Home) -> None:
    assert home.make().success
    changed = DEMO.model_copy(update={"sft": DEMO.sft.model_copy(update={"epochs": 9.0})})
    assert home.status(names.LORA_ADAPTER, changed) == StaleStatus.STALE
    assert home.status(names.BASE_MODEL, changed) == StaleStatus.FRESH
    other = DEMO.model_copy(update={"edge": DEMO.edge.model_copy(update={"rows": 7})})
    assert home.status(names.LORA_ADAPTER, other) == StaleStatus.FRESH


def test_an_input_of_another_base_model_is_refused_by_field(home: Home) -> None:
    assert home.make().success
    card = load_profile("gpu-12gb")
    said = failure(home.make(names.LORA_ADAPTER, profile=card))
    assert "base_model was made by profile demo with other settings than this run's (gpu-12gb)" in said
    assert "base_model.source is 'embedded', not 'hub'" in said


def test_a_home_may_be_moved(home: Home, tmp_path: Path) -> None:
    assert home.make().success
    home.folder = home.folder.rename(tmp_path / "elsewhere")
    assert home.make(names.LORA_ADAPTER).success


def test_a_home_that_is_not_there_says_what_to_set(home: Home, tmp_path: Path) -> None:
    assert home.make().success
    home.folder = tmp_path / "empty"
    said = failure(home.make(names.LORA_ADAPTER))
    assert f"is not in the home {tmp_path / 'empty'}" in said and "FC_ASSETS_HOME" in said


def test_how_a_run_went_is_kept_beside_and_in_no_digest(home: Home) -> None:
    results = [home.make(names.BASE_MODEL) for _ in range(2)]
    assert all(result.success for result in results)
    digest = home.record(names.BASE_MODEL).digest
    kept = home.folder / "records" / names.BASE_MODEL / digest[:16]
    assert {folder.name for folder in kept.iterdir()} == {result.run_id for result in results}
    assert (kept / results[0].run_id / "took.txt").read_text() == "12 s"


def test_a_run_is_tagged_with_its_profile(home: Home) -> None:
    result = home.make(names.BASE_MODEL)
    assert home.instance.get_run_by_id(result.run_id).tags["fc_assets/profile"] == "demo"


def test_each_asset_names_the_active_profile() -> None:
    (definition, _) = with_settings([base_model, lora_adapter], DEMO)
    assert definition.metadata_by_key[dg.AssetKey(names.BASE_MODEL)]["active_profile"] == "demo"
