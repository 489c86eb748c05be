"""The real thing: Docker Compose, nginx and vLLM on this machine, with a client asking all the while.

One stack for the whole module, since an engine takes most of a minute to start; the tests build on each other in order.
"""

import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from fc_assets.calls.conversations import read_turns
from fc_assets.calls.prompts import wrap_tools
from fc_assets.deployment import deploy, probe
from fc_assets.deployment.assets import vllm_deployment
from fc_assets.deployment.checks import deployed_release_answers
from fc_assets.deployment.cli import main
from fc_assets.deployment.engine import other_colour
from fc_assets.deployment.sensors import build_redeploy_sensor
from fc_assets.deployment.targets.stack import Stack
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.artifacts import ArtifactStore
from fc_assets.foundation.child_processes.commands import capture
from fc_assets.foundation.resources import Runtime, build_resources
from fc_assets.notifications.messages import messages_of
from fc_assets.notifications.sensors import read_outcome
from fc_assets.profiles import Profile, load_profile
from fc_assets.serving import vllm_command
from fc_assets.serving.endpoint import Endpoint
from fc_assets_tests.support import docker_engine as engine
from fc_assets_tests.support.lineage import failure

pytestmark = [
    pytest.mark.slow,
    pytest.mark.docker,
    pytest.mark.vllm,
    pytest.mark.timeout(1200),
]

POLICY_VARIABLE = "FC_TEST_POLICY"
"""A folder with `model/` and `sharegpt_val.json` to deploy instead of training a policy first."""

CANARIES = 5
FOREIGN_TEMPLATE = "{% for m in messages %}[{{ m.role }}] {{ m.content }} {% endfor %}[assistant] "


def trained_policy(folder: Path) -> Path:
    """A policy after SFT on the demo profile, by the real assets: its folder holds the checkpoint and the split."""
    from fc_assets.data.assets import sharegpt_splits, xlam_raw
    from fc_assets.training.assets import base_model, lora_adapter, merged_model

    with dg.DagsterInstance.ephemeral() as instance:
        dg.materialize(
            [xlam_raw, sharegpt_splits, base_model, lora_adapter, merged_model],
            resources=build_resources(load_profile("demo"), folder),
            instance=instance,
        )
    (model,) = (folder / "artifacts" / "merged_model").glob("*/model")
    (split,) = (folder / "artifacts" / "sharegpt_val").glob("*/sharegpt_val.json")
    policy = folder / "policy"
    shutil.copytree(model, policy / "model")
    shutil.copy(split, policy)
    return policy


class Site:
    """A home, an instance and a stack; `promote` makes a release of a changed copy of the policy."""

    def __init__(self, home: Path, policy: Path, instance: dg.DagsterInstance) -> None:
        self.policy = policy
        self.instance = instance
        self.profile = self._profile()
        self.resources = build_resources(self.profile, home)
        self.stack = Stack(ArtifactStore(home), self.profile.deployment)
        self.change: Callable[[Path], None] = lambda model: None
        self.canaries = self._canaries()
        engine.write_override(self.stack.folder)

    @staticmethod
    def _profile() -> Profile:
        return load_profile("demo").model_copy(update={"deployment": engine.settings(retry_after_s=1)})

    def _canaries(self) -> list[dict[str, object]]:
        turns = [turn for turn in read_turns(self.policy / "sharegpt_val.json") if turn.calls]
        return [
            {"id": turn.id, "messages": list(turn.messages), "tools": list(turn.tools), "expected": turn.answer}
            for turn in turns[:CANARIES]
        ]

    @property
    def definitions(self) -> dg.Definitions:
        @dg.asset
        def promoted_policy(context: dg.AssetExecutionContext, runtime: dg.ResourceParam[Runtime]):
            with runtime.step(context) as step:
                shutil.copytree(self.policy / "model", step.out / "model")
                for file in (step.out / "model").iterdir():
                    file.chmod(0o644)
                self.change(step.out / "model")
                (step.out / "canary.json").write_text(json.dumps(self.canaries))
                return step.publish([], {})

        @dg.asset
        def serving_recommendation(): ...

        return dg.Definitions(
            assets=[promoted_policy, serving_recommendation, vllm_deployment],
            asset_checks=[deployed_release_answers],
            sensors=[build_redeploy_sensor(self.profile.deployment)],
            resources=self.resources,
        )

    def promote(self, change: Callable[[Path], None]) -> str:
        """Publish a release and return its digest."""
        self.change = change
        job = self.definitions.resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(instance=self.instance, asset_selection=[dg.AssetKey("promoted_policy")])
        return str(result.asset_materializations_for_node("promoted_policy")[0].metadata["sha256"].value)

    def deploy(self, **config: str) -> dg.ExecuteInProcessResult:
        """Run the deploy job as the page does."""
        return self.definitions.resolve_job_def("deploy").execute_in_process(
            instance=self.instance,
            run_config={"ops": {"vllm_deployment": {"config": config}}},
            raise_on_error=False,
        )

    def messages(self, result: dg.ExecuteInProcessResult) -> list[str]:
        """The kinds of messages that a run of the deploy job is worth."""
        run, status = result.dagster_run, "succeeded" if result.success else "failed"
        return [message.kind for message in messages_of(read_outcome(self.instance, run, status))]

    def serves(self) -> str:
        """The release that the proxy names."""
        return self.stack.release_header() or ""

    def users(self) -> Endpoint:
        return deploy.users_endpoint(self.stack)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if reason := engine.why_skipped():
        pytest.skip(reason)
    given = os.environ.get(POLICY_VARIABLE)
    policy = Path(given) if given else trained_policy(tmp_path_factory.mktemp("training"))
    with dg.DagsterInstance.ephemeral() as instance:
        site = Site(tmp_path_factory.mktemp("home"), policy, instance)
        yield site
        site.stack.compose("down", "--volumes")


class Client:
    """Asks one question after the other through the proxy, for as long as the block lasts."""

    def __init__(self, site: Site) -> None:
        canary = site.canaries[0]
        self.body = {
            "model": "fc-policy",
            "messages": canary["messages"],
            "tools": wrap_tools(canary["tools"]),
            "max_tokens": 32,
            "temperature": 0.0,
        }
        self.endpoint = site.users()
        self.answered = 0
        self.failures: list[str] = []
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._ask)

    def _ask(self) -> None:
        while not self.ended.is_set():
            try:
                self.endpoint.post("/v1/chat/completions", self.body)
                self.answered += 1
            except OSError as error:
                self.failures.append(str(error))
            time.sleep(0.2)

    def __enter__(self) -> "Client":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()


def note(text: str) -> Callable[[Path], None]:
    """A change that makes another release of the same model."""
    return lambda model: (model / "NOTE.txt").write_text(text)  # type: ignore[return-value]


def test_the_first_deployment(site: Site) -> None:
    digest = site.promote(note("first"))
    result = site.deploy()
    assert result.success, failure(result)
    assert site.serves() == digest[:16]
    metadata = result.asset_materializations_for_node("vllm_deployment")[0].metadata
    assert metadata["release"].value == digest
    assert metadata["canary_share"].value >= site.profile.deployment.min_canary_share
    evaluation = result.get_asset_check_evaluations()[0]
    assert evaluation.passed
    assert site.messages(result) == ["deployed"]


def test_deploying_the_same_release_again_changes_nothing(site: Site) -> None:
    before = site.stack.state()
    result = site.deploy()
    assert result.success
    assert site.messages(result) == []
    assert site.stack.state() == before


def test_only_the_listed_paths_exist_and_only_with_the_key(site: Site) -> None:
    stranger = Endpoint(site.stack.url, "fc-policy", "wrong")
    users = site.users()
    for endpoint, path, status in (
        (stranger, "/v1/models", "401"),
        (users, "/tokenize", "404"),
        (users, "/metrics", "404"),
        (users, "/-/blue/metrics", "404"),
        (users, "/v1/models/../../tokenize", "404"),
    ):
        with pytest.raises(OSError, match=status):
            endpoint.get(path)
    assert "fc-policy" in users.get("/v1/models")
    assert stranger.get("/health") == ""


def test_no_key_is_shown_anywhere(site: Site) -> None:
    keys = [site.stack.key(role) for role in ("api", "operator")]
    shown = site.stack.compose("config") + site.stack.compose("logs") + (site.stack.folder / "state.json").read_text()
    containers = capture(["docker", "ps", "-q", "--filter", f"name={site.profile.deployment.project}"], timeout_s=30)
    shown += capture(["docker", "inspect", *containers.split()], timeout_s=30)
    assert containers
    assert not [key for key in keys if key in shown]


def test_containers_are_fenced_in(site: Site) -> None:
    users = {site.stack.state().serving.service: "10001:10001", "proxy": "10001:10001", "prometheus": "65534:65534"}
    for service, user in users.items():
        container = site.stack.compose("ps", "-q", service).strip()
        (found,) = json.loads(capture(["docker", "inspect", container], timeout_s=30))
        host = found["HostConfig"]
        assert found["Config"]["User"] == user
        assert host["ReadonlyRootfs"]
        assert host["CapDrop"] == ["ALL"]
        assert host["Memory"] > 0
        assert not [mount for mount in found["Mounts"] if mount["RW"] and mount["Type"] == "bind"]
        assert found["State"]["Health"]["Status"] in ("healthy", "starting"), found["State"]["Health"]["Log"]
        published = [port for ports in found["NetworkSettings"]["Ports"].values() or [] for port in ports or []]
        assert [port["HostIp"] for port in published] == (["127.0.0.1"] if service == "proxy" else [])


def test_prometheus_scrapes_the_engine_that_serves_and_knows_the_alerts(site: Site) -> None:
    def asked(path: str) -> dict[str, Any]:
        command = ["exec", "-T", "prometheus", "wget", "-q", "-O", "-", f"http://127.0.0.1:9090/api/v1/{path}"]
        return json.loads(site.stack.compose(*command))["data"]

    deadline, up = time.monotonic() + 60, set[str]()
    while not up and time.monotonic() < deadline:
        up = {each["metric"]["colour"] for each in asked("query?query=up==1")["result"]}
        time.sleep(1)
    assert up == {site.stack.state().serving.colour}
    assert {rule["name"] for group in asked("rules")["groups"] for rule in group["rules"]} >= {"NoEngineAnswers"}


def test_a_second_release_takes_over_without_a_failed_request(site: Site) -> None:
    first = site.stack.state().serving
    digest = site.promote(note("second"))
    with Client(site) as client:
        result = site.deploy()
    assert result.success, failure(result)
    assert site.serves() == digest[:16]
    assert client.answered > 10
    assert client.failures == []
    assert site.stack.container(first.colour) is None
    assert site.stack.state().previous.release == first.release


def missing(model: Path) -> None:
    (model / "model.safetensors").unlink()


def corrupt(model: Path) -> None:
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:4096])


def foreign_template(model: Path) -> None:
    (model / "chat_template.jinja").write_text(FOREIGN_TEMPLATE)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (missing, "ended while it was starting"),
        (corrupt, "ended while it was starting"),
        (foreign_template, "canary questions"),
    ],
)
def test_a_broken_release_is_rolled_back_and_the_old_one_answers(
    site: Site, change: Callable[[Path], None], why: str
) -> None:
    before = site.stack.state()
    site.promote(change)
    with Client(site) as client:
        result = site.deploy()
    assert not result.success
    assert why in failure(result)
    assert site.messages(result) == ["rolled back"]
    assert f"Release {before.serving.release[:16]}, which served before, answers" in failure(result)
    assert client.failures == []
    assert site.stack.state() == before
    assert site.stack.container(other_colour(before.serving.colour)) is None


def test_an_engine_that_lets_the_model_think_is_rolled_back(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    before = site.stack.state()
    site.promote(note("started without the flags"))
    monkeypatch.setattr(vllm_command, "SAME_AS_TRAINED_FLAGS", ())
    result = site.deploy()
    assert not result.success
    assert "it thinks" in failure(result)
    assert site.stack.state() == before


def test_a_killed_engine_is_noticed_and_healed_by_the_sensor(site: Site) -> None:
    site.promote(note("second"))  # what serves is the latest again
    sensor = build_redeploy_sensor(site.profile.deployment)
    context = dg.build_sensor_context(instance=site.instance, resources=site.resources)
    cursor = sensor.evaluate_tick(context).cursor
    serving = site.stack.state().serving
    container = site.stack.compose("ps", "-q", serving.service).strip()
    capture(["docker", "kill", container], timeout_s=60)

    checks = dg.AssetSelection.checks_for_assets("vllm_deployment")
    job = dg.define_asset_job("check", selection=checks)
    result = (
        dg.Definitions.merge(site.definitions, dg.Definitions(jobs=[job]))
        .resolve_job_def("check")
        .execute_in_process(instance=site.instance)
    )
    assert not result.get_asset_check_evaluations()[0].passed
    context = dg.build_sensor_context(instance=site.instance, cursor=cursor, resources=site.resources)
    (request,) = sensor.evaluate_tick(context).run_requests
    assert "+heal" in request.tags["fc_assets/batch"]
    result = site.definitions.resolve_job_def("deploy").execute_in_process(
        instance=site.instance, run_config=request.run_config, tags=request.tags, raise_on_error=False
    )
    assert result.success, failure(result)
    assert site.serves() == serving.release[:16]


def test_with_one_card_the_old_engine_is_started_again(site: Site) -> None:
    before = site.stack.state()
    one_card = Stack(site.stack.store, site.profile.deployment.model_copy(update={"strategy": "swap"}))
    broken = site.stack.store.folder("promoted_policy", "f" * 64)
    shutil.copytree(site.policy / "model", broken / "model")
    missing(broken / "model")
    (broken / "canary.json").write_text(json.dumps(site.canaries))
    with pytest.raises(deploy.DeployError, match="which served before, answers"):
        deploy.deploy(one_card, "f" * 64, before.serving.server, 96, lambda text: None)
    assert site.stack.state() == before
    probe.require_release(site.users(), before.serving.release)


def test_rollback_brings_the_release_before_back(site: Site) -> None:
    before = site.stack.state()
    deploy.rollback(site.stack, 96, lambda text: None)
    after = site.stack.state()
    assert after.serving.release == before.previous.release
    assert after.previous.release == before.serving.release
    assert site.serves() == after.serving.release[:16]


def test_the_commands_stop_it_and_bring_it_back(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    profile = tmp_path / "demo.yaml"
    profile.write_text(yaml.safe_dump(site.profile.model_dump(mode="json")))
    monkeypatch.setenv("FC_PROFILE", str(profile))
    monkeypatch.setenv("FC_ASSETS_HOME", str(site.stack.folder.parent))
    serving = site.stack.state().serving
    assert main(["status"]) == 0
    assert main(["down"]) == 0
    assert site.stack.release_header() is None
    assert main(["status"]) == 3
    context = dg.build_sensor_context(instance=site.instance, resources=site.resources)
    assert not build_redeploy_sensor(site.profile.deployment).evaluate_tick(context).run_requests  # it was meant

    assert main(["up"]) == 0
    assert site.serves() == serving.release[:16]
    shown = capsys.readouterr().out
    assert "was stopped on purpose" in shown
    assert site.stack.key("api") not in shown


def test_another_home_cannot_take_the_stack_away(site: Site, tmp_path: Path) -> None:
    before = site.stack.state()
    other = Stack(ArtifactStore(tmp_path), site.profile.deployment)
    release = before.serving.release
    shutil.copytree(site.stack.store.folder("promoted_policy", release), other.store.folder("promoted_policy", release))
    with pytest.raises(FcAssetsError, match="was started by another home"):
        deploy.deploy(other, release, before.serving.server, 96, lambda text: None)
    with pytest.raises(FcAssetsError, match="was started by another home"):
        deploy.stop(other)
    probe.require_release(site.users(), release)


def test_a_home_is_moved_while_its_release_serves(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, home = site.stack.state(), site.stack.store.home
    moved = home.rename(tmp_path / "moved")
    profile = tmp_path / "demo.yaml"
    profile.write_text(yaml.safe_dump(site.profile.model_dump(mode="json")))
    monkeypatch.setenv("FC_PROFILE", str(profile))
    monkeypatch.setenv("FC_ASSETS_HOME", str(moved))
    site.stack = Stack(ArtifactStore(moved), site.profile.deployment)
    assert main(["status"]) == 0

    assert main(["up"]) == 0
    assert "serves now" in capsys.readouterr().out
    after = site.stack.state()
    assert after.serving.release == before.serving.release
    assert after.previous == before.previous
    for service in (after.serving.service, "proxy", "prometheus"):
        container = site.stack.compose("ps", "-q", service).strip()
        (found,) = json.loads(capture(["docker", "inspect", container], timeout_s=30))
        sources = [mount["Source"] for mount in found["Mounts"]]
        assert any(source.startswith(str(moved)) for source in sources), service
        assert not any(source.startswith(str(home)) for source in sources), service
    assert main(["up"]) == 0
    assert "serves already" in capsys.readouterr().out
