"""`python -m benchmarks.startup`: what a newcomer waits for, measured in a fresh clone of this checkout's HEAD.

Figures: set-up time and size; wall time of the demo and of each of its steps; the demo's peak memory (proportional set
size of all its processes, sampled each second); the time of `import fc_assets.definitions` beside the floor, `import
dagster` alone (medians of five fresh interpreters each, interleaved).
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks._results import write_result

ROOT = Path(__file__).resolve().parent.parent
IMPORT_RUNS = 5
_TIMED_IMPORT = "import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
_STEP_SECONDS = """
import json, dagster as dg
with dg.DagsterInstance.get() as instance:
    (run,) = instance.get_runs()
    stats = instance.get_run_step_stats(run.run_id)
    print(json.dumps({s.step_key: s.end_time - s.start_time for s in stats if s.start_time and s.end_time}))
"""


def import_seconds(python: Path, module: str, cwd: Path) -> float:
    """Seconds of one import in a fresh interpreter."""
    code = _TIMED_IMPORT.format(module=module)
    done = subprocess.run([python, "-c", code], cwd=cwd, capture_output=True, text=True, check=True)
    return float(done.stdout)


def run_watched(argv: list[str], cwd: Path, env: dict[str, str]) -> tuple[float, float]:
    """Run a command, its output shown; return wall seconds and the family's peak memory in MB (1e6 bytes)."""
    started, peak = time.monotonic(), 0.0
    process = psutil.Popen(argv, cwd=cwd, env=env)
    while process.poll() is None:
        total = 0
        for member in [process, *process.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                total += member.memory_full_info().pss
        peak = max(peak, total / 1e6)
        time.sleep(1)
    if process.returncode:
        raise SystemExit(f"error: `{' '.join(argv)}` ended with status {process.returncode}")
    return time.monotonic() - started, peak


def folder_mb(*folders: Path) -> float:
    """Size on disk of what lies below the folders, in MB."""
    files = (file for folder in folders for file in folder.rglob("*") if file.is_file() and not file.is_symlink())
    return sum(file.stat().st_size for file in files) / 1e6


def main() -> None:
    """Measure and write `results/startup.json`."""
    clean = ("FC_", "DAGSTER_", "VIRTUAL_ENV", "MAKE")
    env = {name: value for name, value in os.environ.items() if not name.startswith(clean)}
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "fc_assets"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        setup_s, _ = run_watched(["make", "setup"], clone, env)
        demo_s, peak_mb = run_watched(["make", "demo"], clone, env)
        python = clone / ".venv" / "bin" / "python"
        home = {**env, "DAGSTER_HOME": str(clone / ".dagster_home" / "demo")}
        steps = subprocess.run([python, "-c", _STEP_SECONDS], env=home, capture_output=True, text=True, check=True)
        definitions, floor = [], []
        for _ in range(IMPORT_RUNS):
            floor.append(import_seconds(python, "dagster", clone))
            definitions.append(import_seconds(python, "fc_assets.definitions", clone))
        figures = {
            "setup_s": setup_s,
            "setup_mb": folder_mb(clone / ".venv", clone / ".venv-bfcl"),
            "demo_wall_s": demo_s,
            "demo_peak_memory_mb": peak_mb,
            "definitions_load_s": statistics.median(definitions),
            "import_dagster_s": statistics.median(floor),
            **{f"step_{name}_s": seconds for name, seconds in json.loads(steps.stdout).items()},
        }
    packages = ["dagster", "torch", "transformers", "trl", "peft"]
    write_result("startup", {name: round(value, 2) for name, value in figures.items()}, packages)


if __name__ == "__main__":
    sys.exit(main())
