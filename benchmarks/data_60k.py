"""How fast xLAM-shaped rows become splits, and in how much memory: `python -m benchmarks.data_60k`.

60,000 and 600,000 rows of the embedded generator, as raw .jsonl, go through the very functions of `xlam_raw` and
`sharegpt_splits`: read, normalise, Parquet; then exact duplicates, split, both ShareGPT files. Each size runs in a
process of its own. The floor, measured in the same process, is orjson parsing every line of the same file and dumping
it to another. Ratios are of CPU time, which other processes disturb less; the best of three runs counts.

Not in it: near-duplicate search, the audit of expected calls, token counts. `curated_rows_per_s` adds the first two.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import orjson

from benchmarks._results import write_result
from fc_assets.data.curation.curate import CurationReport, curate, without_repeats
from fc_assets.data.curation.irrelevance import IrrelevanceMaker
from fc_assets.data.raw_table import build_raw_table
from fc_assets.data.rows.examples_file import read_examples
from fc_assets.data.sources.files import read_files
from fc_assets.data.sources.generator import generate_rows
from fc_assets.data.sources.row_source import RowSource
from fc_assets.data.splits import build_splits
from fc_assets.names import EXAMPLES
from fc_assets.profiles import CurationSettings

SIZES = (60_000, 600_000)
REPEATS = 3


def write_rows(path: Path, rows: int) -> None:
    """The generator's rows as .jsonl."""
    with path.open("wb") as stream:
        for row in generate_rows(rows, 1):
            stream.write(orjson.dumps(row) + b"\n")


def floor(source: Path, target: Path) -> None:
    """Parse every line and dump it again: what no JSON pipeline can go below."""
    with source.open("rb") as lines, target.open("wb") as out:
        for line in lines:
            out.write(orjson.dumps(orjson.loads(line)) + b"\n")


def floor_with_columns(source: Path, target: Path) -> None:
    """The floor where the JSON texts in the columns `tools` and `answers` are parsed and dumped, too."""
    with source.open("rb") as lines, target.open("wb") as out:
        for line in lines:
            row = orjson.loads(line)
            row["tools"] = orjson.dumps(orjson.loads(row["tools"])).decode()
            row["answers"] = orjson.dumps(orjson.loads(row["answers"])).decode()
            out.write(orjson.dumps(row) + b"\n")


def pipeline(source: Path, folder: Path, curation: CurationSettings | None = None) -> None:
    """Raw file to Parquet to both splits; with `curation` by all its stages, else without exact repeats only."""
    folders = folder / "train", folder / "validation"
    for each in folders:
        each.mkdir(exist_ok=True)
    build_raw_table(
        [RowSource("generator", "MIT", read_files(source))],
        folder,
        policy="unless_optional_or_default",
        max_reject_share=0.0,
    )
    examples, report = read_examples(folder / EXAMPLES), CurationReport()
    if curation is None:
        rows = without_repeats(examples, report)
    else:
        rows = curate(examples, curation, report, bfcl_questions=(), irrelevance=IrrelevanceMaker(0.0, 42))
    build_splits(rows, folders, folder, validation_share=0.1, seed=42)


def timed(work: Callable[[], None], repeats: int = REPEATS) -> dict[str, float]:
    """Least CPU and least wall seconds of several runs."""
    cpu, wall = [], []
    for _ in range(repeats):
        began, started = time.process_time(), time.perf_counter()
        work()
        cpu.append(time.process_time() - began)
        wall.append(time.perf_counter() - started)
    return {"cpu_s": min(cpu), "wall_s": min(wall)}


def measure(rows: int) -> dict[str, object]:
    """Floor and pipeline for one size; peak memory is that of the pipeline, which runs first."""
    repeats = REPEATS if rows <= SIZES[0] else 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "raw.jsonl"
        write_rows(source, rows)
        found: dict[str, object] = {"pipeline": timed(lambda: pipeline(source, folder), repeats)}
        found["peak_rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        found["floor"] = timed(lambda: floor(source, folder / "floor"), repeats)
        found["floor_with_columns"] = timed(lambda: floor_with_columns(source, folder / "floor"), repeats)
        if rows == SIZES[0]:
            found["curated"] = timed(lambda: pipeline(source, folder, CurationSettings()), 1)
        found["file_mb"] = source.stat().st_size / 1e6
    return found


def main() -> None:
    """Measure every size in a process of its own and write the figures."""
    small, large = (
        json.loads(subprocess.check_output([sys.executable, "-m", "benchmarks.data_60k", str(rows)])) for rows in SIZES
    )
    write_result(
        "data_60k",
        {
            "rows_per_s": SIZES[0] / small["pipeline"]["wall_s"],
            "pipeline_cpu_s": small["pipeline"]["cpu_s"],
            "floor_cpu_s": small["floor"]["cpu_s"],
            "floor_ratio": small["pipeline"]["cpu_s"] / small["floor"]["cpu_s"],
            "floor_with_columns_ratio": small["pipeline"]["cpu_s"] / small["floor_with_columns"]["cpu_s"],
            "curated_rows_per_s": SIZES[0] / small["curated"]["wall_s"],
            "peak_rss_mb": small["peak_rss_mb"],
            "peak_rss_mb_600k": large["peak_rss_mb"],
            "scaling_600k": large["pipeline"]["cpu_s"] / small["pipeline"]["cpu_s"],
            "file_mb": small["file_mb"],
        },
        ("orjson", "pyarrow", "datasketch"),
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(int(sys.argv[1]))))
    else:
        main()
