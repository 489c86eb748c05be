"""`k8s_bundle` on a real instance, with Helm and without; the values of the charts of others."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from fc_assets.definitions import build_defs
from fc_assets.deployment.assets import k8s_bundle
from fc_assets.deployment.engine import EngineSpec
from fc_assets.deployment.kubernetes.helm import parse, render
from fc_assets.deployment.kubernetes.values import STEPS_IN_PODS, dagster_values, production_stack_values
from fc_assets.foundation.artifacts import ArtifactStore
from fc_assets.foundation.json_files import write_json
from fc_assets.foundation.resources import Runtime, build_resources
from fc_assets.names import MANIFEST, RECOMMENDATION, SERVING_MANIFESTS, SERVING_VALUES
from fc_assets.profiles import DeploymentSettings, KubernetesSettings, ServerSettings, load_profile
from fc_assets.serving.vllm_command import SAME_AS_TRAINED_FLAGS
from fc_assets_tests.support.lineage import Home

CARD = EngineSpec("c" * 64, "blue", ServerSettings())


@dg.asset
def serving_recommendation(context: dg.AssetExecutionContext, runtime: dg.ResourceParam[Runtime]):
    with runtime.step(context) as step:
        write_json(step.out / RECOMMENDATION, {"settings": {"max_num_seqs": 17}})
        return step.publish([], {})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home with a release and a recommendation."""
    with dg.DagsterInstance.ephemeral() as instance:
        home = Home(tmp_path_factory.mktemp("home"), instance)
        home.run()
        home.promote()
        yield home


def bundle(home: Home) -> tuple[Path, str, dict[str, Any]]:
    """The folder of a bundle, the digest of the release that it is of, and what its page says."""
    result = dg.materialize(
        [*home.assets, home.promoted_policy, serving_recommendation, k8s_bundle],
        selection=dg.AssetSelection.assets("serving_recommendation", "k8s_bundle"),
        resources=build_resources(home.profile, home.folder),
        instance=home.instance,
    )
    (made,) = result.asset_materializations_for_node("k8s_bundle")
    said = {name: value.value for name, value in made.metadata.items()}
    return ArtifactStore(home.folder).folder("k8s_bundle", str(said["sha256"])), str(said["release"]), said


def test_the_bundle_serves_the_release_with_the_recommended_settings(home: Home, helm: None) -> None:
    folder, release, said = bundle(home)
    assert said["manifests"] == "rendered"
    values = yaml.safe_load((folder / SERVING_VALUES).read_text())
    engine = values["serving"]["engines"]["blue"]
    assert engine["release"] == release and engine["args"][engine["args"].index("--max-num-seqs") + 1] == "17"
    manifests = (folder / SERVING_MANIFESTS).read_text()
    assert parse(manifests) == parse(render("fc-assets", "fc-assets", values))
    (deployment,) = [each for each in parse(manifests) if each["kind"] == "Deployment"]
    (fetch,) = deployment["spec"]["template"]["spec"]["initContainers"]
    assert fetch["command"][-2:] == [release, f"/releases/{release[:16]}"]


def test_without_helm_there_are_values_and_no_manifests(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    folder, release, said = bundle(home)
    assert said["manifests"] == "Helm is not on this machine (install Helm 3.13 or newer)"
    assert release in (folder / SERVING_VALUES).read_text()
    assert (folder / "chart" / "files" / "fetch_release.py").is_file() and not (folder / SERVING_MANIFESTS).exists()
    parts = {record.data["part"] for record in said["parts"].records}
    assert parts == {path.name for path in folder.iterdir()} - {MANIFEST}, "each part is named on the page"


def test_the_production_stack_starts_vllm_with_the_same_flags_and_fetches_the_same_release() -> None:
    values = production_stack_values(CARD, DeploymentSettings(), KubernetesSettings())
    (model,) = values["servingEngineSpec"]["modelSpec"]
    flags = model["vllmConfig"]["extraArgs"]
    begin = flags.index("--default-chat-template-kwargs")
    assert tuple(flags[begin : begin + len(SAME_AS_TRAINED_FLAGS)]) == SAME_AS_TRAINED_FLAGS
    assert not {"--model", "--host", "--port"} & set(flags)  # that chart says these itself
    assert model["modelURL"] == f"/releases/{'c' * 16}/model"
    assert model["initContainer"]["args"][1] == "c" * 64
    assert (model["repository"], model["tag"]) == ("vllm/vllm-openai", "v0.30.0")
    assert values["routerSpec"]["routingLogic"] == "prefixaware"


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("registry:5000/a/b", ("registry:5000/a/b", "latest")),
        ("registry:5000/a/b:v1", ("registry:5000/a/b", "v1")),
        ("a/b@sha256:" + "0" * 64, ("a/b@sha256", "0" * 64)),
    ],
)
def test_an_image_is_split_as_that_chart_joins_it(image: str, parts: tuple[str, str]) -> None:
    values = production_stack_values(CARD, DeploymentSettings(image=image), KubernetesSettings())
    (model,) = values["servingEngineSpec"]["modelSpec"]
    assert (model["repository"], model["tag"]) == parts


def test_the_code_location_has_one_home_and_its_runs_are_pods_with_a_pod_for_each_step() -> None:
    values = dagster_values("gpu-80gb")
    (location,) = values["dagster-user-deployments"]["deployments"]
    variables = {each["name"]: each["value"] for each in location["env"]}
    assert variables["FC_PROFILE"] == "gpu-80gb" and variables[STEPS_IN_PODS] == "1"
    assert location["includeConfigInLaunchedRuns"] == {"enabled": True}
    assert location["volumeMounts"][0]["mountPath"] == variables["FC_ASSETS_HOME"]
    assert values["runLauncher"]["type"] == "K8sRunLauncher"
    assert not values["ingress"]["enabled"]


def test_steps_have_pods_of_their_own_only_where_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("dagster_k8s", reason="dagster-k8s is not installed (the extra `kubernetes`)")
    assert build_defs(load_profile("demo")).executor is None
    monkeypatch.setenv(STEPS_IN_PODS, "1")
    job = build_defs(load_profile("demo")).resolve_job_def("train")
    assert job.executor_def.name == "k8s"


def test_the_pod_of_a_step_on_the_card_asks_for_one_and_tolerates_its_taint() -> None:
    job = pytest.importorskip("dagster_k8s.job", reason="dagster-k8s is not installed (the extra `kubernetes`)")
    nodes = build_defs(load_profile("demo")).resolve_job_def("train").all_node_defs
    (tags, *_) = [node.tags for node in nodes if "fc_assets/needs" in node.tags]
    asked = job.get_user_defined_k8s_config(tags)
    assert asked.container_config["resources"]["limits"] == {"nvidia.com/gpu": "1"}
    assert asked.pod_spec_config["node_selector"] == {"nvidia.com/gpu.present": "true"}
    assert [each["key"] for each in asked.pod_spec_config["tolerations"]] == ["nvidia.com/gpu"]
