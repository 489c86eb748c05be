"""The redeploy sensor on a real instance: one deployment for each promotion, tried again, and over restarts."""

import json
import time
from pathlib import Path

import dagster as dg
import pytest

from fc_assets.deployment import redeploy
from fc_assets.deployment.redeploy import (
    Attempt,
    Promotion,
    RequestRun,
    RetryPolicy,
    SensorMemory,
    Skip,
    StackStatus,
)
from fc_assets.deployment.sensors import build_redeploy_sensor, sensors
from fc_assets.foundation.artifacts import Artifact
from fc_assets.foundation.resources import Runtime, build_resources
from fc_assets.profiles import DeploymentSettings, load_profile

SETTINGS = DeploymentSettings(max_attempts=3, retry_after_s=1)


class Line:
    """A promotion and a deployment that a test can steer, and the sensor between them, ticking as the daemon does."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.resources = build_resources(load_profile("demo"), folder)
        self.content = "one"
        self.broken = False
        self.without_engine = False
        self.deployed: list[str] = []
        self.cursor: str | None = None
        self.sensor = build_redeploy_sensor(SETTINGS)
        self.run_keys: set[str] = set()

    @property
    def assets(self) -> list[dg.AssetsDefinition]:
        @dg.asset
        def promoted_policy(context: dg.AssetExecutionContext, runtime: dg.ResourceParam[Runtime]):
            with runtime.step(context) as step:
                (step.out / "release.json").write_text(self.content)
                return step.publish([], {})

        @dg.asset(output_required=False, config_schema={"release": str})
        def vllm_deployment(
            context: dg.AssetExecutionContext, runtime: dg.ResourceParam[Runtime], promoted_policy: Artifact
        ):
            if self.without_engine:
                return
            with runtime.step(context) as step:
                if self.broken:
                    raise dg.Failure("the engine did not start")
                release = context.op_execution_context.op_config["release"]
                self.deployed.append(release)
                (step.out / "deployment.json").write_text(json.dumps({"release": release}))
                yield step.publish([promoted_policy], {"release": release})

        return [promoted_policy, vllm_deployment]

    def promote(self, content: str) -> None:
        self.content = content
        result = dg.materialize(
            self.assets, selection="promoted_policy", resources=self.resources, instance=self.instance
        )
        assert result.success

    def tick(self) -> dg.RunRequest | str:
        """One evaluation of the sensor; returns the run that it requests, or why it requests none."""
        context = dg.build_sensor_context(instance=self.instance, cursor=self.cursor, resources=self.resources)
        result = self.sensor.evaluate_tick(context)
        self.cursor = result.cursor
        requests = [request for request in result.run_requests or [] if request.run_key not in self.run_keys]
        if not requests:
            return result.skip_message or "run key seen before"
        self.run_keys.add(requests[0].run_key)
        return requests[0]

    def execute(self, request: dg.RunRequest) -> bool:
        """What the daemon does with a request: a run of the deploy job with its config and its tags."""
        definitions = dg.Definitions(assets=self.assets, sensors=[self.sensor], resources=self.resources)
        return (
            definitions.resolve_job_def("deploy")
            .execute_in_process(
                instance=self.instance, run_config=request.run_config, tags=request.tags, raise_on_error=False
            )
            .success
        )

    def start(self, request: dg.RunRequest) -> str:
        """A run that is under way."""
        definitions = dg.Definitions(assets=self.assets, sensors=[self.sensor], resources=self.resources)
        run = self.instance.create_run_for_job(
            definitions.resolve_job_def("deploy"),
            run_config=request.run_config,
            tags=dict(request.tags),
            status=dg.DagsterRunStatus.STARTED,
        )
        return run.run_id


@pytest.fixture
def line(tmp_path: Path) -> Line:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Line(tmp_path, instance)


def test_nothing_happens_before_a_promotion(line: Line) -> None:
    assert line.tick() == "No policy has been promoted yet."


def test_a_release_is_deployed_once(line: Line) -> None:
    line.promote("one")
    request = line.tick()
    assert request.tags["fc_assets/attempt"] == "1"
    assert line.execute(request)
    assert "has been deployed" in line.tick()
    assert "has been deployed" in line.tick()
    assert len(line.deployed) == 1


def test_the_cursor_moves_only_after_success(line: Line) -> None:
    line.promote("one")
    request = line.tick()
    assert SensorMemory.load(line.cursor).done == ""
    line.execute(request)
    assert SensorMemory.load(line.cursor).done == ""
    line.tick()
    assert SensorMemory.load(line.cursor).done == request.tags["fc_assets/release"]


def test_the_same_digest_is_not_deployed_again(line: Line) -> None:
    line.promote("one")
    line.execute(line.tick())
    line.promote("one")
    assert "has been deployed" in line.tick()
    assert len(line.deployed) == 1


def test_of_two_promotions_between_ticks_the_latest_is_deployed(line: Line) -> None:
    line.promote("one")
    line.promote("two")
    request = line.tick()
    line.execute(request)
    assert "has been deployed" in line.tick()
    assert line.deployed == [request.tags["fc_assets/release"]]


def test_a_promotion_during_a_deployment_waits_for_its_end(line: Line) -> None:
    line.promote("one")
    run_id = line.start(line.tick())
    line.promote("two")
    assert line.tick() == "A deployment is under way."
    line.instance.report_run_canceled(line.instance.get_run_by_id(run_id))
    assert line.execute(line.tick())
    assert len(line.deployed) == 1


def test_a_failed_attempt_is_followed_by_another_after_a_growing_wait(line: Line) -> None:
    line.promote("one")
    line.broken = True
    first = line.tick()
    assert not line.execute(first)
    assert "Attempt 1" in line.tick()
    time.sleep(1.1)
    second = line.tick()
    assert second.run_key != first.run_key
    assert second.tags["fc_assets/attempt"] == "2"
    assert not line.execute(second)
    time.sleep(1.1)
    assert "Attempt 2" in line.tick()  # the second wait is twice the first
    time.sleep(1.0)
    line.broken = False
    assert line.execute(line.tick())
    assert "has been deployed" in line.tick()


def test_after_the_last_attempt_it_rests_until_the_next_promotion(line: Line) -> None:
    line.promote("one")
    line.broken = True
    for wait in (0, 1.1, 2.1):
        time.sleep(wait)
        line.execute(line.tick())
    assert "Gave up" in line.tick()
    line.broken = False
    line.promote("two")
    assert line.execute(line.tick())


def test_a_run_without_an_engine_is_no_success(line: Line) -> None:
    line.promote("one")
    line.without_engine = True
    assert line.execute(line.tick())
    assert "Attempt 1" in line.tick()
    assert SensorMemory.load(line.cursor).done == ""


def test_a_restarted_daemon_goes_on_where_it_was(line: Line) -> None:
    line.promote("one")
    request = line.tick()
    run_id = line.start(request)
    line.sensor, line.run_keys = build_redeploy_sensor(SETTINGS), set()  # a new process; instance and cursor stay
    assert line.tick() == "A deployment is under way."
    line.instance.report_run_failed(line.instance.get_run_by_id(run_id))
    time.sleep(1.1)
    assert line.tick().tags["fc_assets/attempt"] == "2"


def test_a_lost_cursor_is_made_good_from_the_instance(line: Line) -> None:
    line.promote("one")
    line.execute(line.tick())
    line.cursor = None
    assert "has been deployed" in line.tick()


def test_a_release_that_returns_after_another_is_deployed_again(line: Line) -> None:
    for content in ("one", "two", "one"):
        line.promote(content)
        line.execute(line.tick())
        line.tick()
    assert len(line.deployed) == 3
    assert line.deployed[0] == line.deployed[2]


ANSWERS = StackStatus("a" * 64, wanted=True, answers=True)
SILENT = StackStatus("a" * 64, wanted=True, answers=False)
PROMOTION = Promotion("a" * 64, 7)
DONE = SensorMemory(done="a" * 64)
POLICY = RetryPolicy(max_attempts=2, retry_after_s=60)


def next_step(
    memory: SensorMemory, stack: StackStatus, attempts: list[Attempt], now: float = 1000.0
) -> RequestRun | Skip:
    return redeploy.next_step(memory, PROMOTION, stack, attempts, False, POLICY, now)


def test_a_silent_stack_is_healed_and_a_stopped_one_is_left() -> None:
    healing = next_step(DONE, SILENT, [])
    assert isinstance(healing, RequestRun)
    assert healing.batch != PROMOTION.batch
    assert healing.release == "a" * 64
    assert isinstance(next_step(DONE, StackStatus("", wanted=False, answers=False), []), Skip)


def test_after_a_rollback_what_serves_is_healed_not_what_was_promoted() -> None:
    assert next_step(DONE, StackStatus("b" * 64, wanted=True, answers=False), []).release == "b" * 64


def test_healing_has_an_end_and_a_later_failure_a_new_beginning() -> None:
    attempts = [Attempt("r1", 100.0), Attempt("r2", 400.0)]
    assert isinstance(next_step(DONE, SILENT, attempts), Skip)
    later = redeploy.after_healing(DONE, ANSWERS, attempts)
    assert later.healings == 1
    assert isinstance(next_step(later, SILENT, []), RequestRun)
    assert redeploy.healing_batch(later, "a" * 64) != redeploy.healing_batch(DONE, "a" * 64)


def test_the_sensor_is_off_unless_the_profile_asks_for_it() -> None:
    profile = load_profile("demo")
    redeploy_sensor, watch = sensors(profile)
    assert redeploy_sensor.name == "redeploy"
    assert redeploy_sensor.default_status is dg.DefaultSensorStatus.STOPPED
    assert watch.default_status is dg.DefaultSensorStatus.STOPPED
    wanted = profile.model_copy(update={"deployment": DeploymentSettings(sensor_on=True)})
    assert [sensor.default_status for sensor in sensors(wanted)] == [dg.DefaultSensorStatus.RUNNING] * 2
