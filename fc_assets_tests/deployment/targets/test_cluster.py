"""Deployments to a cluster, against an API server that enforces its rules: the switch, the way back, every refusal.

The releases are fetched from a volume by the chart's own script; questions go through the API server into the pods.
"""

import json
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from fc_assets.cli import main
from fc_assets.deployment import deploy, probe
from fc_assets.deployment.assets import vllm_deployment
from fc_assets.deployment.checks import deployed_release_answers
from fc_assets.deployment.deploy import DeployError, Outcome
from fc_assets.deployment.targets import cluster as cluster_module
from fc_assets.deployment.targets.api import LEASE, ClusterError
from fc_assets.deployment.targets.cluster import Cluster, why_unavailable
from fc_assets.deployment.targets.stack import StackState
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.artifacts import ArtifactStore
from fc_assets.foundation.resources import Runtime, build_resources
from fc_assets.profiles import DeploymentSettings, KubernetesSettings, ServerSettings, load_profile
from fc_assets_tests.support.helm import use_helm
from fc_assets_tests.support.kubernetes.pod_engine import EngineScript
from fc_assets_tests.support.lineage import TOOLS

pytest.importorskip("kubernetes", reason="the package kubernetes is not installed (the extra `kubernetes`)")
pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed (the extra `kubernetes-test`)")
from fc_assets_tests.support.kubernetes.objects import KEDA
from fc_assets_tests.support.kubernetes.server import StandIn, stand_in

pytestmark = pytest.mark.slow

SETTINGS = DeploymentSettings(
    target="kubernetes", strategy="blue_green", start_timeout_s=90, drain_s=5, min_canary_share=0.8
)
PLACE = KubernetesSettings(releases="claim://home/promoted_policy")
CANARIES = [{"id": "row-0", "messages": [{"role": "user", "content": "Weather in Oslo?"}], "tools": TOOLS}]
MAX_TOKENS = 32


class Site:
    """A home, a cluster that sees its releases, and the target between them."""

    def __init__(self, folder: Path, cluster: StandIn) -> None:
        self.store = ArtifactStore(folder / "home")
        self.cluster = cluster
        self.said: list[str] = []
        self.releases = 0
        self.mend()

    def mend(self) -> None:
        """Undo what a test has broken."""
        self.target = Cluster(self.store, SETTINGS, PLACE)
        hardware = self.cluster.hardware
        hardware.cards, hardware.quota, hardware.images = 4, None, {SETTINGS.image}
        hardware.claims = {"home": self.store.home / "artifacts"}

    def release(self, note: str) -> str:
        """Publish a release and return its digest."""
        with self.store.workspace("promoted_policy") as folder:
            out = folder / "out"
            (out / "model").mkdir(parents=True)
            self.releases += 1
            (out / "model" / "config.json").write_text(f"{note} {self.releases}")
            (out / "canary.json").write_text(json.dumps(CANARIES))
            return self.store.publish("promoted_policy", out).digest

    def deploy(self, release: str, **server: Any) -> Outcome:
        return deploy.deploy(self.target, release, ServerSettings(**server), MAX_TOKENS, self.said.append)

    def serves(self) -> str:
        """The release that answers users, by asking for it."""
        users = deploy.users_endpoint(self.target)
        (named,) = [name for name in probe.served_names(users) if name != users.model]
        return named.rpartition("-")[2]

    def kept(self, plural: str) -> list[str]:
        return sorted(name for kind, name in self.cluster.objects.kept if kind == plural)

    def script(self, release: str, **behaviour: Any) -> None:
        self.cluster.controllers.scripts[release[:16]] = EngineScript(**behaviour)


@contextmanager
def running_site(folder: Path) -> Iterator[Site]:
    with pytest.MonkeyPatch.context() as patch, stand_in(folder) as cluster:
        use_helm(patch)
        patch.setattr(deploy, "_POLL_SECONDS", 0.05)
        patch.setattr(cluster_module, "_POLL_SECONDS", 0.02)
        patch.setenv("KUBECONFIG", str(cluster.kubeconfig))
        yield Site(folder, cluster)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site of the test's own, on which nothing was ever deployed."""
    with running_site(tmp_path) as site:
        yield site


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("shared")) as site:
        yield site


@pytest.fixture
def serving(shared: Site) -> Site:
    """A site that tests share, on which a release serves and nothing is wrong."""
    shared.mend()
    if not deploy.answers(shared.target):
        shared.deploy(shared.release("serves"))
    return shared


def refused(site: Site, attempt: Callable[[], object], kind: type[FcAssetsError] = DeployError) -> str:
    """What a deployment that fails says; what served before answers, and nothing of the new one is left."""
    before = site.target.state()
    assert before.serving
    with pytest.raises(kind) as caught:
        attempt()
    assert site.target.state() == before
    assert site.serves() == before.serving.release[:16]
    assert site.kept("deployments") == site.kept("poddisruptionbudgets") == [f"fc-assets-{before.serving.colour}"]
    assert site.kept("leases") == []
    return str(caught.value)


def test_the_first_deployment_makes_the_key_and_serves(site: Site) -> None:
    release = site.release("first")
    outcome = site.deploy(release)
    assert outcome.changed and outcome.canary_share == 1.0 and outcome.image.startswith(SETTINGS.image)
    assert site.serves() == release[:16] and deploy.answers(site.target)
    assert site.target.state().serving and site.target.state().wanted
    assert site.kept("secrets") == ["fc-assets-api-key"] and site.kept("leases") == []
    assert not site.deploy(release).changed  # it serves already


def test_where_nothing_served_before_a_failure_leaves_nothing_behind(site: Site) -> None:
    release = site.release("broken")
    site.script(release, exit_code=1)
    with pytest.raises(DeployError, match="No release was serving before, so none does now"):
        site.deploy(release)
    assert site.target.state() == StackState()
    assert site.kept("deployments") == site.kept("poddisruptionbudgets") == site.kept("leases") == []
    assert not deploy.answers(site.target)


def test_every_replica_must_be_ready_before_one_is_asked(site: Site) -> None:
    site.target = replace(site.target, cluster=PLACE.model_copy(update={"values": {"replicas": 2}}))
    site.cluster.hardware.cards = 1
    release, patient = site.release("two"), site.target
    site.target = impatient(patient)
    with pytest.raises(DeployError, match=r"not healthy within 2 s .* no node takes its pod"):
        site.deploy(release)
    site.cluster.hardware.cards, site.target = 2, patient
    site.deploy(release)
    assert len(site.kept("pods")) == 2


def test_another_release_takes_over_while_a_client_asks_and_the_way_back_is_the_same(serving: Site) -> None:
    first, second = serving.target.state().serving, serving.release("second")
    assert first
    users, ended, answered, failures = deploy.users_endpoint(serving.target), threading.Event(), [0], []
    body = {"model": "fc-policy", "messages": CANARIES[0]["messages"], "tools": probe.wrap_tools(TOOLS)}

    def ask() -> None:
        while not ended.wait(0.01):
            try:
                users.post("/v1/chat/completions", body)
                answered[0] += 1
            except OSError as error:
                failures.append(str(error))

    client = threading.Thread(target=ask)
    client.start()
    try:
        serving.deploy(second)
    finally:
        ended.set()
        client.join()
    assert failures == [] and answered[0] > 10
    assert serving.serves() == second[:16]
    assert len(serving.kept("deployments")) == 1
    assert serving.target.state().previous == first
    deploy.rollback(serving.target, MAX_TOKENS, serving.said.append)
    assert serving.serves() == first.release[:16]
    assert len(serving.kept("deployments")) == 1


def impatient(target: Cluster) -> Cluster:
    """The target, which waits for 2 s only."""
    return replace(target, settings=SETTINGS.model_copy(update={"start_timeout_s": 2}))


def no_card(site: Site, release: str) -> None:
    site.cluster.hardware.cards = 1


def quota(site: Site, release: str) -> None:
    site.cluster.hardware.quota = 1


def no_image(site: Site, release: str) -> None:
    site.cluster.hardware.images.clear()


def not_uploaded(site: Site, release: str) -> None:
    elsewhere = Path(tempfile.mkdtemp(dir=site.store.home))
    shutil.copytree(site.store.home / "artifacts" / "promoted_policy", elsewhere / "promoted_policy")
    shutil.rmtree(elsewhere / "promoted_policy" / release[:16])
    site.cluster.hardware.claims["home"] = elsewhere


def damaged(site: Site, release: str) -> None:
    elsewhere = Path(tempfile.mkdtemp(dir=site.store.home))
    shutil.copytree(site.store.home / "artifacts" / "promoted_policy", elsewhere / "promoted_policy")
    (elsewhere / "promoted_policy" / release[:16] / "model" / "config.json").write_text("damaged")
    site.cluster.hardware.claims["home"] = elsewhere


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (no_card, "no node takes its pod: 0/1 nodes are available: 1 Insufficient nvidia.com/gpu"),
        (quota, "The cluster makes no pod for the engine: pods"),
        (no_image, f"The image {SETTINGS.image} cannot be had (ImagePullBackOff)"),
        (not_uploaded, "MANIFEST.json cannot be read: No such file or directory"),
        (damaged, "config.json is damaged: expected sha256"),
        (
            lambda site, release: site.script(release, exit_code=1),
            "The engine ended while it was starting, with status 1",
        ),
        (lambda site, release: site.script(release, exit_code=137), "The engine ran out of memory"),
        (
            lambda site, release: site.script(release, healthy=False),
            "not healthy within 2 s (deployment.start_timeout_s)",
        ),
        (lambda site, release: site.script(release, arguments="{}"), "0 of 1 canary questions were answered"),
    ],
    ids=["no card", "quota", "no image", "no release", "damaged", "crash", "memory", "never ready", "canary"],
)
def test_what_cannot_come_up_is_said_and_the_old_release_answers(
    serving: Site, fault: Callable[[Site, str], None], said: str
) -> None:
    if "no node" in said or "not healthy" in said:  # what is waited for until the time is up
        serving.target = impatient(serving.target)
    release = serving.release("second")
    fault(serving, release)
    message = refused(serving, lambda: serving.deploy(release))
    assert said in message
    assert message.startswith(f"Release {release[:16]} does not serve: ")
    assert message.endswith("which served before, answers")


def without(rules: list[dict[str, list[str]]], resource: str, verb: str) -> list[dict[str, list[str]]]:
    """The Role's rules less one verb on one resource."""
    kept = []
    for rule in rules:
        kept.append({**rule, "resources": [each for each in rule["resources"] if each != resource]})
        if resource in rule["resources"]:
            kept.append({**rule, "resources": [resource], "verbs": [each for each in rule["verbs"] if each != verb]})
    return kept


@pytest.mark.parametrize(
    ("resource", "verb"),
    [("deployments", "create"), ("leases", "create"), ("services", "patch"), ("configmaps", "patch"), ("pods", "list")],
)
def test_a_missing_permission_is_named_and_the_old_release_answers(serving: Site, resource: str, verb: str) -> None:
    whole = serving.cluster.rules
    serving.cluster.rules = without(whole, resource, verb)
    try:
        with pytest.raises(FcAssetsError) as caught:
            serving.deploy(serving.release("second"))
    finally:
        serving.cluster.rules = whole
    said = str(caught.value)
    assert f'cannot {verb} resource "{resource}"' in said and "docs/kubernetes.md" in said
    assert resource == "leases" or said.endswith("which served before, answers")
    before = serving.target.state().serving
    assert before and serving.serves() == before.release[:16]


def test_where_one_card_holds_one_engine_the_old_one_ends_first_and_comes_back_on_failure(site: Site) -> None:
    site.cluster.hardware.cards = 1
    site.target = replace(site.target, settings=SETTINGS.model_copy(update={"strategy": "swap"}))
    first, second, broken = (site.release(note) for note in ("first", "second", "broken"))
    site.deploy(first)
    site.deploy(second)
    assert site.serves() == second[:16]
    site.script(broken, exit_code=1)
    assert "with status 1" in refused(site, lambda: site.deploy(broken))


def test_two_deployments_at_once_are_one(serving: Site) -> None:
    with serving.target.locked():
        with pytest.raises(ClusterError, match=r"Another deployment, .* is under way since"):
            serving.deploy(serving.release("second"))
        assert serving.kept("leases") == ["fc-assets-deployment"]


def test_the_hold_of_a_killed_deployment_ends_by_itself(serving: Site) -> None:
    with serving.target.locked():
        lease = serving.target.api.get(LEASE, "fc-assets-deployment")
        assert lease
        lease["spec"]["acquireTime"] = "2020-01-01T00:00:00.000000Z"
        serving.target.api.replace(lease)
        release = serving.release("second")
        serving.deploy(release)
    assert serving.serves() == release[:16]


def test_a_stop_on_purpose_leaves_the_record_and_up_brings_it_back(serving: Site) -> None:
    before = serving.target.state().serving
    deploy.stop(serving.target)
    assert serving.kept("deployments") == [] and not deploy.answers(serving.target)
    assert not serving.target.state().wanted and serving.target.state().serving == before
    deploy.restore(serving.target, MAX_TOKENS, serving.said.append)
    assert before and serving.serves() == before.release[:16]


def test_an_engine_that_somebody_deleted_does_not_answer(serving: Site) -> None:
    (name,) = serving.kept("deployments")
    serving.cluster.controllers.delete("deployments", name)
    assert not deploy.answers(serving.target)


def test_an_autoscaler_that_the_cluster_does_not_know_is_named(serving: Site) -> None:
    keda = PLACE.model_copy(update={"values": {"autoscaling": {"kind": "keda"}}})
    plain, serving.target = serving.target, replace(serving.target, cluster=keda)
    release = serving.release("second")
    said = refused(serving, lambda: serving.deploy(release))
    assert "The cluster does not know ScaledObject (keda.sh/v1alpha1): install what brings it" in said
    serving.cluster.objects.groups |= KEDA
    serving.deploy(release)
    assert serving.kept("scaledobjects") == serving.kept("deployments")
    serving.target = plain
    serving.deploy(serving.release("third"))
    assert serving.kept("scaledobjects") == []


def test_a_namespace_that_is_not_there_is_named(site: Site) -> None:
    site.target = replace(site.target, cluster=PLACE.model_copy(update={"namespace": "elsewhere"}))
    with pytest.raises(ClusterError, match="The cluster has no namespace elsewhere: create it"):
        site.deploy(site.release("first"))


def test_a_cluster_that_cannot_be_managed_says_why(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert why_unavailable(PLACE) == ""
    assert "elsewhere" in why_unavailable(PLACE.model_copy(update={"context": "elsewhere"}))
    site.cluster.shutdown()
    site.cluster.server_close()
    assert "does not answer" in why_unavailable(PLACE)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    assert why_unavailable(PLACE).startswith("No cluster is configured on this machine")
    monkeypatch.setenv("PATH", "/nowhere")
    assert why_unavailable(PLACE).startswith("Helm is not on this machine")


@pytest.fixture
def profile(serving: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A profile file whose target is the shared cluster, as the commands find it."""
    file = tmp_path / "on-cluster.yaml"
    values = {"deployment": SETTINGS.model_dump(mode="json"), "kubernetes": PLACE.model_dump(mode="json")}
    file.write_text(yaml.safe_dump({"description": "a cluster", **values}))
    monkeypatch.setenv("FC_PROFILE", str(file))
    monkeypatch.setenv("FC_ASSETS_HOME", str(serving.store.home))
    return file


def test_the_commands_manage_the_cluster(
    serving: Site, profile: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = serving.target.state().serving
    assert before
    second = serving.release("second")
    serving.deploy(second)
    assert main(["status"]) == 0
    assert f"Release {second} " in (said := capsys.readouterr().out)
    assert "answers at http://fc-assets.fc-assets.svc" in said and f"Before it: {before.release}" in said
    assert main(["rollback"]) == 0 and serving.serves() == before.release[:16]
    assert "The API key is in the Secret fc-assets-api-key of the namespace fc-assets" in capsys.readouterr().out
    assert main(["down"]) == 0 and main(["status"]) == 3
    assert main(["up"]) == 0 and serving.serves() == before.release[:16]
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    assert main(["up"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: The stack cannot be managed: No cluster is configured") and said.count("\n") == 1


def test_the_asset_deploys_to_the_cluster_and_keeps_the_manifests(serving: Site, profile: Path) -> None:
    loaded, release = load_profile(), serving.release("second")

    @dg.asset
    def promoted_policy(context: dg.AssetExecutionContext, runtime: dg.ResourceParam[Runtime]):
        with runtime.step(context) as step:
            shutil.copytree(serving.store.folder("promoted_policy", release), step.out, dirs_exist_ok=True)
            (step.out / "MANIFEST.json").unlink()
            return step.publish([], {})

    @dg.asset
    def serving_recommendation(): ...

    result = dg.materialize(
        [promoted_policy, serving_recommendation, vllm_deployment, deployed_release_answers],
        selection=["promoted_policy", "vllm_deployment"],
        resources=build_resources(loaded, serving.store.home),
    )
    assert result.success and serving.serves() == release[:16]
    (artifact,) = (serving.store.home / "artifacts" / "vllm_deployment").iterdir()
    assert {file.name for file in artifact.iterdir()} == {"MANIFEST.json", "deployment.json", "serving.yaml"}
    assert release in (artifact / "serving.yaml").read_text()
    assert [each.passed for each in result.get_asset_check_evaluations()] == [True]
