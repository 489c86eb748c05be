"""The sensors on a real instance, with real runs and a real receiver."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from fc_assets.definitions import build_defs
from fc_assets.deployment import assets as deployment_assets
from fc_assets.deployment import deploy
from fc_assets.deployment.deploy import DeployStep, Outcome
from fc_assets.deployment.engine import EngineSpec
from fc_assets.deployment.targets.stack import Stack
from fc_assets.foundation.resources import build_resources
from fc_assets.notifications.sending import URLS_VARIABLE
from fc_assets.notifications.sensors import sensors
from fc_assets.profiles import ServerSettings, load_profile
from fc_assets_tests.support.lineage import Home, asset_key
from fc_assets_tests.support.receivers import SECRET, Received, Receiver, webhook

AUTOMATION = {"dagster/from_automation_condition": "true"}


class Daemon:
    """Ticks of the sensors, each with the memory of the one before."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.cursors: dict[str, str | None] = {}
        self.tick()  # the first tick only remembers what has been

    def tick(self) -> list[str]:
        """What the sensors say of the runs that have ended since."""
        return [said for sensor in sensors() for said in self._runs(sensor)]

    def _runs(self, sensor: dg.SensorDefinition) -> Iterator[str]:
        while True:
            before = self.cursors.get(sensor.name)
            result = sensor.evaluate_tick(dg.build_sensor_context(self.instance, cursor=before))
            self.cursors[sensor.name] = result.cursor
            if result.cursor == before:
                return
            if before is not None:
                assert result.skip_message, [reaction.error for reaction in result.dagster_run_reactions]
                yield result.skip_message


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Home(tmp_path, instance)


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with webhook() as hook:
        monkeypatch.setenv(URLS_VARIABLE, hook.url)
        yield hook


@pytest.fixture
def daemon(home: Home, hook: Receiver) -> Daemon:
    return Daemon(home.instance)


def test_a_gate_that_fails_within_the_run_is_reported(home: Home, hook: Receiver, daemon: Daemon) -> None:
    home.failing = {"eval_report"}
    result = home.run()
    assert not result.success
    daemon.tick()
    (message,) = hook.received
    assert message == Received(
        "fc_assets: gate failed: eval_report:gate",
        f"eval_report:gate: eval_report measured 0.5\nRun {result.run_id}.",
        "failure",
    )


def test_a_run_is_reported_once(home: Home, hook: Receiver, daemon: Daemon) -> None:
    home.failing = {"eval_report"}
    home.run()
    assert len(daemon.tick()) == 1
    assert len(hook.titles()) == 1
    assert daemon.tick() == []
    home.judge("eval_report")
    daemon.tick()
    daemon.tick()
    assert hook.titles() == ["fc_assets: gate failed: eval_report:gate"]


def test_a_check_run_alone_that_fails_is_reported(home: Home, hook: Receiver, daemon: Daemon) -> None:
    home.run()
    home.failing = {"lora_adapter", "eval_report"}
    home.judge("lora_adapter", "eval_report")
    daemon.tick()
    (title,) = hook.titles()
    assert title.startswith("fc_assets: gate failed: ") and title.endswith(" and 1 more")


def test_a_gate_that_passes_is_worth_no_message(home: Home, hook: Receiver, daemon: Daemon) -> None:
    result = home.run()
    assert daemon.tick() == [f"Run {result.run_id} needs no message."]
    assert hook.received == []


def test_a_promotion_is_reported_and_a_refused_one_too(home: Home, hook: Receiver, daemon: Daemon) -> None:
    home.run()
    result = home.promote()
    digest = str(result.asset_materializations_for_node("promoted_policy")[0].metadata["sha256"].value)
    home.failing = {"eval_report"}
    home.judge("eval_report")
    home.promote()
    home.promote(override_reason="I know better")
    daemon.tick()
    sent = {message.title: message.text for message in hook.received}
    assert len(hook.received) == 4
    # The same policy, but another release: its record says that gates were overridden.
    (first, second) = [text for title, text in sent.items() if title.startswith("fc_assets: promoted: release ")]
    assert f"fc_assets: promoted: release {digest[:16]}" in sent
    assert first.startswith("Every gate on its lineage passed.")
    assert second.startswith("By hand, although 1 gate was unmet")
    assert "eval_report:gate failed: eval_report measured 0.5" in sent["fc_assets: run failed: promoted_policy"]


def test_a_failed_step_is_reported_with_its_sentence(home: Home, hook: Receiver, daemon: Daemon) -> None:
    result = home.remake("eval_report")
    assert not result.success
    daemon.tick()
    (message,) = hook.received
    assert message.title == "fc_assets: run failed: eval_report"
    assert "sharegpt_val has not been materialised yet; materialise it first" in message.text


def test_a_run_whose_process_is_gone_is_reported(home: Home, hook: Receiver, daemon: Daemon) -> None:
    run = home.instance.create_run_for_job(dg.job(name="deploy")(lambda: None), status=dg.DagsterRunStatus.STARTED)
    home.instance.report_run_failed(run, "Its process is gone")
    daemon.tick()
    assert hook.received == [
        Received("fc_assets: run failed: deploy", f"Its process is gone\nJob deploy, run {run.run_id}.", "failure")
    ]


def test_a_cancelled_run_is_worth_no_message(home: Home, hook: Receiver, daemon: Daemon) -> None:
    run = home.instance.create_run_for_job(dg.job(name="deploy")(lambda: None), status=dg.DagsterRunStatus.STARTED)
    home.instance.report_run_canceled(run)
    assert daemon.tick() == [f"Run {run.run_id} needs no message."]
    assert hook.received == []


@pytest.mark.parametrize(
    ("severity", "sent"), [(dg.AssetCheckSeverity.WARN, []), (dg.AssetCheckSeverity.ERROR, ["made:look"])]
)
def test_only_an_error_is_reported_not_a_warning(
    home: Home, hook: Receiver, daemon: Daemon, severity: dg.AssetCheckSeverity, sent: list[str]
) -> None:
    """A check that blocks nothing, so that the run succeeds."""

    @dg.asset
    def made() -> None: ...

    @dg.asset_check(asset=made)
    def look() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False, severity=severity)

    assert dg.materialize([made, look], instance=home.instance).success
    daemon.tick()
    assert hook.titles() == [f"fc_assets: gate failed: {name}" for name in sent]


def test_a_check_that_a_condition_repeats_is_reported_when_it_begins_to_fail(
    home: Home, hook: Receiver, daemon: Daemon
) -> None:
    home.run()

    def look(*failing: str) -> list[str]:
        home.failing = set(failing)
        home.run(dg.AssetSelection.checks(dg.AssetCheckKey(asset_key("eval_report"), "gate")), tags=AUTOMATION)
        daemon.tick()
        return hook.titles()

    sent = ["fc_assets: gate failed: eval_report:gate"]
    assert look("eval_report") == sent
    assert look("eval_report") == []
    assert look() == []
    assert look("eval_report") == sent
    home.remake("eval_report")
    daemon.tick()
    assert hook.titles() == sent  # a run that somebody started is reported each time
    assert look("eval_report") == []


def test_a_receiver_that_is_down_is_said_at_the_tick_without_its_address(
    home: Home, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(URLS_VARIABLE, f"json://somebody:{SECRET}@127.0.0.1:9/{SECRET}\nnothing://{SECRET}")
    home.failing = {"eval_report"}
    home.run()
    (said,) = daemon.tick()
    assert f"Address 1 in {URLS_VARIABLE} did not take the message" in said
    assert f"Address 2 in {URLS_VARIABLE} is none that apprise can use" in said
    assert SECRET not in said
    assert daemon.tick() == []


def test_without_addresses_a_tick_says_that_nothing_was_sent(
    home: Home, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(URLS_VARIABLE)
    home.failing = {"eval_report"}
    home.run()
    (said,) = daemon.tick()
    assert f"{URLS_VARIABLE} is not set" in said


class Deployments:
    """The real deployment asset on a promoted policy; the Docker engine is what is missing."""

    def __init__(self, home: Home) -> None:
        self.home = home
        home.run()
        home.promote()

    def deploy(self) -> dg.ExecuteInProcessResult:
        return dg.materialize(
            [*self.home.assets, self.home.promoted_policy, deployment_assets.vllm_deployment],
            selection=dg.AssetSelection.assets("vllm_deployment"),
            resources=build_resources(self.home.profile, self.home.folder),
            instance=self.home.instance,
            raise_on_error=False,
        )


@pytest.fixture
def deployments(home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Deployments:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no-such.sock")
    monkeypatch.setattr(deployment_assets, "why_unavailable", lambda profile, to_start: "")
    monkeypatch.setattr(Stack, "former_folders", lambda stack: [])
    return Deployments(home)


def test_a_deployment_that_fails_is_reported_with_what_answers_now(
    hook: Receiver, deployments: Deployments, home: Home
) -> None:
    daemon = Daemon(home.instance)
    assert not deployments.deploy().success
    daemon.tick()
    (message,) = hook.received
    assert message.title == "fc_assets: rolled back: vllm_deployment"
    assert "does not serve: " in message.text
    assert "What served before could not be brought back: " in message.text


@pytest.mark.parametrize(("changed", "sent"), [(True, 1), (False, 0)])
def test_a_deployment_is_reported_unless_it_changed_nothing(
    hook: Receiver, deployments: Deployments, home: Home, monkeypatch: pytest.MonkeyPatch, changed: bool, sent: int
) -> None:
    def without_docker(stack: Stack, release: str, server: ServerSettings, *_: object) -> Outcome:
        engine = EngineSpec(release, "blue", server)
        stack.write([engine])
        stack.record(replace(stack.state(), serving=engine, wanted=True))
        return Outcome(release, "blue", server, changed, steps=[DeployStep("switch", 0.1, "")])

    monkeypatch.setattr(deploy, "deploy", without_docker)
    daemon = Daemon(home.instance)
    result = deployments.deploy()
    assert result.success
    daemon.tick()
    metadata = result.asset_materializations_for_node("vllm_deployment")[0].metadata
    assert len(hook.received) == sent
    for message in hook.received:
        assert message.title == f"fc_assets: deployed: release {str(metadata['release'].value)[:16]}"
        assert str(metadata["url"].value) in message.text


@pytest.mark.parametrize("on", [True, False])
def test_the_sensors_run_where_there_is_an_address(monkeypatch: pytest.MonkeyPatch, on: bool) -> None:
    if on:
        monkeypatch.setenv(URLS_VARIABLE, f"json://{SECRET}@127.0.0.1:9")
    else:
        monkeypatch.delenv(URLS_VARIABLE, raising=False)
    found = {
        sensor.name: sensor
        for sensor in build_defs(load_profile("demo")).get_repository_def().sensor_defs
        if sensor.name.startswith("notify")
    }
    assert set(found) == {"notify_run_succeeded", "notify_run_failed", "notify_run_cancelled"}
    for sensor in found.values():
        assert sensor.default_status.value == ("RUNNING" if on else "STOPPED")
        assert ("was not set" in (sensor.description or "")) is not on
        assert SECRET not in (sensor.description or "")
