"""Creates the environment: `python3.11 scripts/setup_env.py`, with `FC_STACK=gpu` before it the one for a card.

Two virtual environments: `.venv` with everything, and `.venv-bfcl` with the leaderboard's checker, whose pins clash
with the rest. Versions and hashes come from the locks in `requirements/`. For the demo and the tests (`FC_STACK=cpu`,
the default) PyTorch is taken in its CPU build: from pip's own sources (its configured find-links) where they offer it,
else from PyTorch's CPU index; gigabytes of CUDA packages are never installed. For a card everything comes from the
package index, in the builds for CUDA 13 that vLLM asks for, once the driver and a C compiler have been found. Runs on
the standard library alone, and does nothing when nothing has changed.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV, BFCL_VENV = ROOT / ".venv", ROOT / ".venv-bfcl"
LOCK, GPU_LOCK, BFCL_LOCK = (ROOT / "requirements" / f"{name}.txt" for name in ("demo", "gpu", "bfcl"))
STAMP = VENV / "fc-assets-setup.sha256"
UV = "uv==0.13.9"
TORCH = "torch==2.13.0"
PYTHON = (3, 11)
STACK = os.environ.get("FC_STACK") or "cpu"
# The oldest driver that runs CUDA 13 on Linux: https://docs.nvidia.com/cuda/cuda-toolkit-release-notes (minor version
# compatibility). vLLM's wheels are built for CUDA 13.0.
CUDA_DRIVER = 580


def fail(message: str) -> None:
    raise SystemExit("error: " + message)


def call(*argv: object, **env: str) -> None:
    command = [str(word) for word in argv]
    result = subprocess.run(command, cwd=ROOT, env={**os.environ, **env})
    if result.returncode:
        fail(f"`{' '.join(command)}` ended with status {result.returncode}; see its message above")


def works(*argv: object) -> bool:
    command = [str(word) for word in argv]
    return Path(command[0]).exists() and subprocess.run(command, cwd=ROOT, capture_output=True).returncode == 0


def uv_sources(python: Path) -> "dict[str, str]":
    """pip's index and find-links as uv's variables: uv does not read pip's settings."""

    def setting(name: str) -> str:
        value = os.environ.get("PIP_" + name.upper().replace("-", "_"))
        if value:
            return value
        found = subprocess.run(
            [str(python), "-m", "pip", "config", "get", f"global.{name}"], capture_output=True, text=True
        )
        return found.stdout.strip()

    variables = {"UV_DEFAULT_INDEX": setting("index-url"), "UV_FIND_LINKS": setting("find-links")}
    return {name: value for name, value in variables.items() if value and name not in os.environ}


def install_torch(python: Path) -> None:
    offline = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", TORCH]
    if not works(*offline):
        call(python, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--torch-backend", "cpu", TORCH)
    probe = "import importlib.metadata as m; raise SystemExit('+cu' in m.version('torch'))"
    if not works(python, "-c", probe):
        fail("a CUDA build of PyTorch was installed; delete .venv and set UV_TORCH_BACKEND=cpu")


def install_cpu_stack(python: Path) -> None:
    sources = uv_sources(python)
    install_torch(python)
    call(python, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--verify-hashes", "-r", LOCK, **sources)
    call(python, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "-e", ROOT, **sources)


def check_driver() -> None:
    """End with a sentence unless this machine has a card whose driver runs CUDA 13."""
    wanted = f"install NVIDIA's driver {CUDA_DRIVER} or newer, which CUDA 13 needs, or set FC_STACK=cpu"
    program = shutil.which("nvidia-smi")
    if program is None:
        fail(f"FC_STACK=gpu needs an NVIDIA card, and this machine has no nvidia-smi: {wanted}")
    asked = subprocess.run(
        [program, "--query-gpu=driver_version", "--format=csv,noheader"], capture_output=True, text=True
    )
    version = re.match(r"(\d+)\.", asked.stdout)
    if asked.returncode or not version:
        said = (asked.stdout + asked.stderr).strip().splitlines() or ["nothing"]
        fail(f"nvidia-smi names no driver on this machine, but says {said[0]!r}: {wanted}")
    if int(version[1]) < CUDA_DRIVER:
        fail(f"The NVIDIA driver on this machine is {asked.stdout.split()[0]}: {wanted}")


def check_compiler() -> None:
    """End with a sentence unless Triton and torch.compile can build what they run on the card, also weeks from now."""
    if not (os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")):
        fail("Triton and torch.compile need a C compiler while they run, and this machine has none: install gcc")
    header = Path(sysconfig.get_paths()["include"]) / "Python.h"
    if not header.is_file():
        fail(f"Triton needs Python's headers while it runs, and there is no {header}: install python3.11-dev")


def install_gpu_stack(python: Path) -> None:
    # Not from pip's find-links: where they hold PyTorch at all, it is the CPU build.
    index = {name: value for name, value in uv_sources(python).items() if name != "UV_FIND_LINKS"}
    install = [python, "-m", "uv", "pip", "install", "--quiet", "--no-deps"]
    call(*install, "--require-hashes", "-r", GPU_LOCK, **index)
    call(*install, "-e", ROOT, **index)


def main() -> None:
    if sys.version_info[:2] != PYTHON:
        found = "{}.{} at {}".format(*sys.version_info[:2], sys.executable)
        fail(f"fc_assets needs Python 3.11, and this is {found}; install it and run `make PYTHON=python3.11 ...`")
    if STACK not in ("cpu", "gpu"):
        fail(f"FC_STACK is {STACK!r}; set it to cpu or gpu")
    inputs = b"".join(
        file.read_bytes() for file in (LOCK, GPU_LOCK, BFCL_LOCK, ROOT / "pyproject.toml", Path(__file__))
    )
    stamp = f"{STACK} {hashlib.sha256(inputs).hexdigest()}"
    if STAMP.is_file() and STAMP.read_text() == stamp and BFCL_VENV.is_dir():
        return
    if STACK == "gpu":
        check_driver()
        check_compiler()
    python = VENV / "bin" / "python"
    size = "some 3 GB, some two minutes on a fast line" if STACK == "cpu" else "the CUDA stack: many GB, many minutes"
    print(f"setting up .venv and .venv-bfcl ({size})", flush=True)
    other_stack = STAMP.is_file() and not STAMP.read_text().startswith(STACK)  # two builds of vLLM do not mix
    if other_stack or not works(python, "-m", "pip", "--version"):
        call(sys.executable, "-m", "venv", "--clear", VENV)
    STAMP.write_text(f"{STACK} unfinished")  # so that after an interruption the other stack is not put on top
    call(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", UV)
    (install_cpu_stack if STACK == "cpu" else install_gpu_stack)(python)
    # Every step is a process of its own: without bytecode on disk each of them would compile its imports again, tens
    # of seconds for a trainer. Some packages ship files that are no Python 3.11; those stay as they are.
    works(python, "-m", "compileall", "-q", "-j", "0", VENV / "lib")
    if not works(BFCL_VENV / "bin" / "python", "--version"):
        call(python, "-m", "uv", "venv", "--quiet", "--clear", "--python", sys.executable, BFCL_VENV)
    bfcl_python = BFCL_VENV / "bin" / "python"
    sources = uv_sources(python)
    call(python, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "-p", bfcl_python, "-r", BFCL_LOCK, **sources)
    works(python, "-m", "compileall", "-q", "-j", "0", BFCL_VENV / "lib")
    STAMP.write_text(stamp)


if __name__ == "__main__":
    main()
