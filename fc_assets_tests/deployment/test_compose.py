"""The rendered files: Compose accepts them, nginx accepts them, the fences are there, and no secret is in them."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from fc_assets.deployment.engine import EngineSpec, engine_service, release_name
from fc_assets.deployment.proxy import render_active, render_config
from fc_assets.deployment.targets.compose import CARD_MONITOR, MONITORS, compose_file, to_yaml
from fc_assets.deployment.targets.stack import STATE_FILE, Stack, StackError, StackState
from fc_assets.foundation.artifacts import ArtifactStore
from fc_assets.profiles import DeploymentSettings, ServerSettings, load_profile, profile_names
from fc_assets.serving.launch_vllm import THREADS_VARIABLE
from fc_assets.serving.vllm_command import SAME_AS_TRAINED_FLAGS

BLUE = EngineSpec("a" * 64, "blue", load_profile("demo").server)
GREEN = EngineSpec("b" * 64, "green", load_profile("demo").server)
CARD = EngineSpec("c" * 64, "blue", ServerSettings(device="cuda"))


def stack(tmp_path: Path, **changes: object) -> Stack:
    return Stack(ArtifactStore(tmp_path), load_profile("demo").deployment.model_copy(update=changes))


def test_every_service_is_fenced_in() -> None:
    content = compose_file([BLUE, GREEN], DeploymentSettings())
    assert set(content["services"]) == {"vllm-blue", "vllm-green", "proxy", "prometheus", "grafana", CARD_MONITOR}
    for name, service in content["services"].items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["deploy"]["resources"]["limits"]["memory"], name
        assert service["logging"]["options"]["max-size"], name
        assert ("ports" in service) == (name == "proxy")
        assert all(volume["read_only"] for volume in service.get("volumes", []) if isinstance(volume, dict)), name
        if name != CARD_MONITOR:  # its image brings neither a user that may read a card's counters, nor a shell
            assert service["user"].split(":")[0] != "0", name
            assert service["healthcheck"]["test"], name
    assert content["networks"]["inner"] == {"internal": True}
    assert content["services"]["proxy"]["ports"] == ["127.0.0.1:8080:8080"]


def test_the_release_is_in_the_label_the_path_and_the_served_name() -> None:
    service = compose_file([BLUE], DeploymentSettings())["services"][engine_service("blue")]
    (mount,) = service["volumes"]
    assert "a" * 16 in mount["target"]
    assert mount["bind"] == {"create_host_path": False}
    assert service["labels"]["io.fc-assets.release"] == "a" * 64
    assert release_name("fc-policy", "a" * 64) in service["command"]


@pytest.mark.parametrize("engine", [BLUE, GREEN, CARD], ids=["blue", "green", "card"])
def test_an_engine_answers_naive_clients_as_it_was_trained_and_evaluated(engine: EngineSpec) -> None:
    words = compose_file([engine], DeploymentSettings())["services"][engine.service]["command"]
    begin = words.index("--default-chat-template-kwargs")
    assert tuple(words[begin : begin + len(SAME_AS_TRAINED_FLAGS)]) == SAME_AS_TRAINED_FLAGS


def test_an_engine_has_a_thread_for_each_cpu_of_its_container() -> None:
    def threads(engine: EngineSpec, cpus: float) -> str:
        services = compose_file([engine], DeploymentSettings(cpus=cpus))["services"]
        return services[engine.service]["environment"][THREADS_VARIABLE]

    unset = replace(BLUE, server=BLUE.server.model_copy(update={"threads": 0}))
    assert [threads(unset, cpus) for cpus in (0.5, 2.0, 3.5)] == ["1", "2", "3"]
    assert threads(replace(BLUE, server=BLUE.server.model_copy(update={"threads": 6})), 2.0) == "6"


def test_only_an_engine_on_a_card_reserves_one() -> None:
    services = compose_file([CARD], DeploymentSettings())["services"]
    assert services["vllm-blue"]["deploy"]["resources"]["reservations"]["devices"][0]["capabilities"] == ["gpu"]
    without = compose_file([BLUE], DeploymentSettings())["services"]
    assert "reservations" not in without["vllm-blue"]["deploy"]["resources"]


@pytest.mark.parametrize("profile", profile_names())
def test_compose_accepts_the_file_of_every_profile(tmp_path: Path, profile: str) -> None:
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "compose", "version"], capture_output=True).returncode
    ):
        pytest.skip("docker compose is not installed on this machine")
    loaded = load_profile(profile)
    site = Stack(ArtifactStore(tmp_path), loaded.deployment)
    site.write([EngineSpec("a" * 64, "blue", loaded.server)])
    for flags, monitors in (([], MONITORS), (["--profile", "gpu"], (*MONITORS, CARD_MONITOR))):
        command = ["docker", "compose", *flags, "--project-directory", str(site.folder), "config", "--format", "json"]
        shown = subprocess.run(command, capture_output=True, text=True, cwd=site.folder, check=True)
        config = json.loads(shown.stdout)
        assert config["name"] == loaded.deployment.project
        assert set(config["services"]) == {"vllm-blue", "proxy", *monitors}
        assert shown.stderr == ""
        assert site.key("api") not in shown.stdout


@pytest.mark.parametrize("colour", ["blue", None])
def test_nginx_accepts_its_configuration(tmp_path: Path, colour: str | None) -> None:
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin")
    if nginx is None:
        pytest.skip("nginx is not installed on this machine")
    site = stack(tmp_path)
    site.write([BLUE])
    config = render_config().replace("/srv/proxy", str(site.folder / "proxy"))
    config = config.replace("/run/secrets/keys.map", str(site.folder / "secrets" / "keys.map"))
    (site.folder / "proxy" / "nginx.conf").write_text(config)
    (site.folder / "proxy" / "active.conf").write_text(render_active(colour, "a" * 64 if colour else ""))
    checked = subprocess.run(
        [nginx, "-t", "-c", str(site.folder / "proxy" / "nginx.conf")], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stderr


def test_keys_are_made_once_and_for_the_owner_only(tmp_path: Path) -> None:
    site = stack(tmp_path)
    site.write([BLUE])
    first = site.key("api")
    site.write([GREEN])
    assert site.key("api") == first
    assert len(first) == 64
    assert first != site.key("operator")
    assert (site.folder / "secrets").stat().st_mode & 0o077 == 0
    assert (site.folder / "secrets" / "api_key").stat().st_mode & 0o077 == 0


def test_no_key_is_in_the_rendered_files(tmp_path: Path) -> None:
    site = stack(tmp_path)
    site.write([BLUE])
    rendered = (site.folder / "compose.yaml").read_text() + (site.folder / "proxy" / "nginx.conf").read_text()
    assert site.key("api") not in rendered
    assert site.key("operator") not in rendered


def test_rendering_is_stable() -> None:
    first = to_yaml(compose_file([BLUE], DeploymentSettings()))
    assert first == to_yaml(compose_file([BLUE], DeploymentSettings()))
    assert yaml.safe_load(first)["services"]["vllm-blue"]["image"] == DeploymentSettings().image


def test_the_record_survives_writing_and_reading(tmp_path: Path) -> None:
    site = stack(tmp_path)
    assert site.state() == StackState()
    site.folder.mkdir()
    state = StackState(serving=BLUE, previous=GREEN, wanted=True, since="2026-01-01T00:00:00+00:00")
    site.record(state)
    assert site.state() == state
    written = json.loads((site.folder / STATE_FILE).read_text())
    assert list(written) == ["serving", "previous", "wanted", "since"]
    assert written["serving"] == {
        "release": "a" * 64,
        "colour": "blue",
        "server": BLUE.server.model_dump(mode="json"),
    }


def test_one_deployment_at_a_time(tmp_path: Path) -> None:
    site = stack(tmp_path)
    with site.locked(), pytest.raises(StackError, match="Another deployment is under way"), site.locked():
        pass
