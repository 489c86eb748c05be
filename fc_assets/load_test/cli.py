"""The load test for people outside Dagster: `fc-assets bench --api-url http://host:8000 ...`.

`bench` measures the same matrix as the asset against a server that runs already, and prints a row for each cell;
`capacity` searches the highest load that keeps an SLO. The server's key is read from `$FC_API_KEY`. What is measured is
in `matrix` and `capacity`.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias, TypeVar

import uvloop
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.json_files import write_json
from fc_assets.foundation.presentation.terminal import console, text_table
from fc_assets.load_test.capacity.probes import measure_capacities
from fc_assets.load_test.findings import plots
from fc_assets.load_test.matrix.comparability import measurement_conditions
from fc_assets.load_test.matrix.matrix_measurement import MeasuredMatrix, measure_matrix
from fc_assets.load_test.matrix.resume import ResumeFolder
from fc_assets.load_test.matrix.tables import Rows, write_matrix
from fc_assets.names import CAPACITY, CAPACITY_PLOT
from fc_assets.profiles import BenchmarkSettings, ServerSettings, ServiceLevel
from fc_assets.serving.endpoint import Endpoint
from fc_assets.serving.server import API_KEY_VARIABLE, connect

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

_WIDTH = 240
"""Columns of the table at most: it is never cut, a narrow terminal breaks its lines."""
_COLUMNS: dict[str, tuple[str, str, float]] = {
    "requests/s": ("requests_per_s", ".2f", 1),
    "tokens/s": ("output_tokens_per_s", ".0f", 1),
    "TTFT P50": ("ttft_p50_s", ".1f", 1e3),
    "TTFT P95": ("ttft_p95_s", ".1f", 1e3),
    "TPOT P95": ("tpot_p95_s", ".2f", 1e3),
    "E2E P50": ("e2e_p50_s", ".1f", 1e3),
    "E2E P95": ("e2e_p95_s", ".1f", 1e3),
    "goodput/s": ("goodput_per_s", ".2f", 1),
    "within 5 ms": ("sent_within_5ms_share", ".0%", 1),
    "send CV": ("send_gap_cv", ".2f", 1),
    "failed": ("error_rate", ".1%", 1),
}
"""Each column beside the cell's name: the figure in it, its format, and what it is multiplied by."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, run the load test, return the exit status: 1 for an error, 2 if any request failed."""
    options = _parser().parse_args(arguments)
    commands = {"bench": _bench, "capacity": _capacity}
    try:
        return commands[options.command](options)
    except FcAssetsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except ValidationError as error:
        wrong = error.errors()[0]
        print(f"error: {'.'.join(map(str, wrong['loc']))}: {wrong['msg']}", file=sys.stderr)
        return 1


def _bench(options: argparse.Namespace) -> int:
    matrix = _measure(options)
    _print_report(matrix)
    return 2 if any(result.figures["error_rate"] for result in matrix.results) else 0


def _capacity(options: argparse.Namespace) -> int:
    """Search both capacities and print them with their evidence; 3 if no load met the SLO."""
    settings = BenchmarkSettings(
        output_tokens=options.output_tokens,
        output_spread=options.output_spread,
        requests_per_cell=options.requests,
        capacity_seconds=options.seconds,
        slo=ServiceLevel(ttft_p95_s=options.ttft, tpot_p95_s=options.tpot, at_concurrency=1),
    )
    endpoint = _connect(options)
    found = uvloop.run(
        measure_capacities(
            endpoint,
            settings,
            context_length=options.context_length,
            kinds=("closed", "open"),
            progress=_say,
        )
    )
    searches = [search for search in (found.closed, found.open) if search]
    tried = [
        {"load": search.kind, **probe.model_dump()}
        for search in searches
        for probe in sorted(search.probes, key=lambda probe: probe.level)
    ]
    console().print(text_table(tried, list(tried[0])))
    for search in searches:
        print(f"{search.kind}: {search.describe()}")
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        write_json(options.out / CAPACITY, found.model_dump(mode="json"))
        plots.capacity_curve(found, options.out / CAPACITY_PLOT)
    return 0 if all(search.level for search in searches) else 3


def _connect(options: argparse.Namespace) -> Endpoint:
    endpoint = connect(options.api_url, options.model)
    _say(f"{endpoint.model} at {endpoint.base_url}, server version {endpoint.info.version}")
    return endpoint


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _measure(options: argparse.Namespace) -> MeasuredMatrix:
    settings = BenchmarkSettings(
        mode="full",
        concurrency=options.concurrency,
        context_lengths=options.context_lengths,
        request_rates=options.rates,
        output_tokens=options.output_tokens,
        output_spread=options.output_spread,
        requests_per_cell=options.requests,
    )
    endpoint = _connect(options)
    with _folder(options.out) as out:
        unfinished = out / "unfinished"
        matrix = uvloop.run(
            measure_matrix(
                endpoint,
                settings,
                ResumeFolder(unfinished),
                log=out / "bench.log",
                progress=_say,
            )
        )
        if options.out:
            conditions = measurement_conditions(ServerSettings(api_url=endpoint.base_url), settings)
            write_matrix(matrix, endpoint, settings, conditions, out)
            plots.draw_all(matrix.rows(), settings.slo, out)
            shutil.rmtree(unfinished, ignore_errors=True)
            _say(f"tables and pictures are in {out}")
    return matrix


@contextlib.contextmanager
def _folder(out: Path | None) -> Iterator[Path]:
    if out:
        out.mkdir(parents=True, exist_ok=True)
        yield out
    else:
        with tempfile.TemporaryDirectory(prefix="fc-assets-bench-") as folder:
            yield Path(folder)


def _print_report(matrix: MeasuredMatrix) -> None:
    rows, calibration = matrix.rows(), matrix.calibration
    Console(width=_WIDTH, highlight=False, markup=False).print(_table(rows))
    print("times in ms")
    print(
        f"client alone: TTFT {calibration.floor_ttft_s * 1e3:.2f} ms, at most "
        f"{calibration.ceiling_requests_per_s:.0f} requests/s, {calibration.cpu_ms_per_request:.2f} ms CPU per request"
    )
    for row in rows:
        if row["client_limited"]:
            print(f"{row['cell']} measured the client as much as the server")
        if row["marched"]:
            print(f"{row['cell']} marched: {row['in_step_share']:.0%} of its requests left in step with others")
    for row in rows:
        if row["error_rate"]:
            print(f"{row['cell']} failed: {row['failures']}")


def _table(rows: Rows) -> Table:
    table = Table("cell", box=None, pad_edge=False, header_style="bold")
    for title in _COLUMNS:
        table.add_column(title, justify="right")
    for row in rows:
        table.add_row(row["cell"], *(_cell(row[name], spec, scale) for name, spec, scale in _COLUMNS.values()))
    return table


def _cell(value: float | None, spec: str, scale: float) -> str:
    return "-" if value is None else format(value * scale, spec)


_Number = TypeVar("_Number", int, float)


def _numbers(text: str, kind: type[_Number]) -> tuple[_Number, ...]:
    values = tuple(kind(part) for part in text.split(",") if part)
    if any(value <= 0 for value in values):
        raise argparse.ArgumentTypeError(f"{text}: each number must be above 0")
    return values


def _whole_numbers(text: str) -> tuple[int, ...]:
    return _numbers(text, int)


def _rates(text: str) -> tuple[float, ...]:
    return _numbers(text, float)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fc-assets", description=(__doc__ or "").split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    _bench_options(_server_command(commands, "bench", "load-test a running OpenAI-compatible server"))
    _capacity_options(_server_command(commands, "capacity", "find the highest load that a running server takes"))
    return parser


def _server_command(commands: Commands, name: str, does: str) -> argparse.ArgumentParser:
    """A command that puts a running server under load, with the options that all of these have."""
    command = commands.add_parser(name, help=does, description=f"{does}; its key is read from ${API_KEY_VARIABLE}")
    command.add_argument("--api-url", required=True, help="for example http://127.0.0.1:8000")
    command.add_argument("--model", default="", help="served name; needed where the server has several models")
    command.add_argument("--output-tokens", type=int, default=128, help="tokens of an answer, default 128")
    command.add_argument(
        "--output-spread", type=float, default=0.5, help="answers have (1 +- this) x these tokens, default 0.5"
    )
    command.add_argument("--requests", type=int, default=64, help="measured requests of a load, default 64")
    return command


def _capacity_options(capacity: argparse.ArgumentParser) -> None:
    capacity.add_argument("--ttft", type=float, default=1.0, help="P95 of the time to first token, s, default 1")
    capacity.add_argument("--tpot", type=float, default=0.05, help="P95 of the time per output token, s, default 0.05")
    capacity.add_argument("--context-length", type=int, default=1024, help="prompt tokens, default 1024")
    capacity.add_argument("--seconds", type=int, default=120, help="at most for each of both searches, default 120")
    capacity.add_argument("--out", type=Path, help="folder for the evidence and its picture")


def _bench_options(bench: argparse.ArgumentParser) -> None:
    bench.add_argument("--concurrency", type=_whole_numbers, default=(1, 2, 4), help="closed loads, default 1,2,4")
    bench.add_argument(
        "--context-lengths", type=_whole_numbers, default=(256, 1024), help="prompt tokens, default 256,1024"
    )
    bench.add_argument("--rates", type=_rates, default=(), help="open (Poisson) loads, requests a second")
    bench.add_argument("--out", type=Path, help="folder for tables and pictures; an interrupted run resumes from it")


if __name__ == "__main__":
    raise SystemExit(main())
