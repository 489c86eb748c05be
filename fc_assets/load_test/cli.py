"""The load test for people outside Dagster: `fc-assets bench --api-url http://host:8000 ...`.

`bench` measures the same matrix as the asset against a server that runs already; `capacity` searches the highest load
that keeps an SLO; `ramp` raises the rate of a load; `replay` sends a recorded trace; `compare` says whether one run is
slower than another. Only the command line is read here: the work is in `commands`. A server's key is read from
`$FC_API_KEY`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias, TypeVar

from pydantic import ValidationError

from fc_assets.errors import FcAssetsError
from fc_assets.load_test.commands.bench import bench
from fc_assets.load_test.commands.capacity import capacity
from fc_assets.load_test.commands.compare import compare
from fc_assets.load_test.commands.ramp import ramp
from fc_assets.load_test.commands.replay import replay
from fc_assets.serving.server import API_KEY_VARIABLE

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

_RUN = {"bench": bench, "capacity": capacity, "compare": compare, "ramp": ramp, "replay": replay}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 1 for an error, 2 to 5 for a finding (see `commands`)."""
    options = _parser().parse_args(arguments)
    try:
        return _RUN[options.command](options)
    except FcAssetsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except ValidationError as error:
        wrong = error.errors()[0]
        print(f"error: {'.'.join(map(str, wrong['loc']))}: {wrong['msg']}", file=sys.stderr)
        return 1


_Number = TypeVar("_Number", int, float)


def _numbers(text: str, kind: type[_Number]) -> tuple[_Number, ...]:
    values = tuple(kind(part) for part in text.split(",") if part)
    if any(value <= 0 for value in values):
        raise argparse.ArgumentTypeError(f"{text}: each number must be above 0")
    return values


def _whole_numbers(text: str) -> tuple[int, ...]:
    return _numbers(text, int)


def _count(text: str) -> int:
    (value,) = _numbers(text, int)
    return value


def _factor(text: str) -> float:
    (value,) = _numbers(text, float)
    return value


def _shares(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(",") if part)


def _rates(text: str) -> tuple[float, ...]:
    return _numbers(text, float)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fc-assets", description=(__doc__ or "").split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    _bench_options(_server_command(commands, "bench", "load-test a running OpenAI-compatible server"))
    _capacity_options(_server_command(commands, "capacity", "find the highest load that a running server takes"))
    _replay_options(_server_command(commands, "replay", "put a recorded trace on a running server"))
    _ramp_options(_server_command(commands, "ramp", "put a load on a running server whose rate rises evenly"))
    _compare_options(commands.add_parser("compare", help="say whether run B is slower than run A; exit status 4 if so"))
    return parser


def _server_command(commands: Commands, name: str, does: str) -> argparse.ArgumentParser:
    """A command that puts a running server under load, with the options that all of these have."""
    command = commands.add_parser(name, help=does, description=f"{does}; its key is read from ${API_KEY_VARIABLE}")
    command.add_argument("--api-url", required=True, help="for example http://127.0.0.1:8000")
    command.add_argument("--model", default="", help="served name; needed where the server has several models")
    return command


def _load_options(command: argparse.ArgumentParser) -> None:
    """What the loads of synthetic prompts have in common."""
    command.add_argument("--output-tokens", type=int, default=128, help="tokens of an answer, default 128")
    command.add_argument(
        "--output-spread", type=float, default=0.5, help="answers have (1 +- this) x these tokens, default 0.5"
    )


def _requests_option(command: argparse.ArgumentParser) -> None:
    command.add_argument("--requests", type=int, default=64, help="measured requests of a load, default 64")


def _slo_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--ttft", type=float, default=1.0, help="P95 of the time to first token, s, default 1")
    command.add_argument("--tpot", type=float, default=0.05, help="P95 of the time per output token, s, default 0.05")


def _replay_options(replay: argparse.ArgumentParser) -> None:
    _slo_options(replay)
    replay.add_argument("--trace", type=Path, required=True, help="JSON lines in the form of Mooncake's traces")
    replay.add_argument("--speed", type=_factor, default=1.0, help="2 sends it in half its time, default 1")
    replay.add_argument("--out", type=Path, help="folder for the figures as JSON")


def _ramp_options(ramp: argparse.ArgumentParser) -> None:
    _load_options(ramp)
    _slo_options(ramp)
    ramp.add_argument("--from", dest="first", type=_factor, default=1.0, help="requests a second at first, default 1")
    ramp.add_argument("--to", dest="last", type=_factor, required=True, help="requests a second at the end")
    ramp.add_argument("--seconds", type=_factor, default=60.0, help="how long it takes, default 60")
    ramp.add_argument("--context-length", type=_count, default=1024, help="prompt tokens, default 1024")
    ramp.add_argument("--out", type=Path, help="folder for the figures as JSON")


def _capacity_options(capacity: argparse.ArgumentParser) -> None:
    _load_options(capacity)
    _requests_option(capacity)
    _slo_options(capacity)
    capacity.add_argument("--context-length", type=int, default=1024, help="prompt tokens, default 1024")
    capacity.add_argument("--seconds", type=int, default=120, help="at most for each of both searches, default 120")
    capacity.add_argument("--out", type=Path, help="folder for the evidence and its picture")


def _compare_options(compare: argparse.ArgumentParser) -> None:
    for name, what in (("run_a", "before"), ("run_b", "after")):
        compare.add_argument(name, type=Path, help=f"folder of `bench --out`, {what}; one of repeats is taken whole")
    compare.add_argument("--margin", type=float, default=0.1, help="how much slower is tolerated, default 0.1")
    compare.add_argument("--seed", type=int, default=42, help="of the intervals' resampling, default 42")


def _bench_options(bench: argparse.ArgumentParser) -> None:
    _load_options(bench)
    _requests_option(bench)
    bench.add_argument("--concurrency", type=_whole_numbers, default=(1, 2, 4), help="closed loads, default 1,2,4")
    bench.add_argument(
        "--context-lengths", type=_whole_numbers, default=(256, 1024), help="prompt tokens, default 256,1024"
    )
    bench.add_argument("--rates", type=_rates, default=(), help="open (Poisson) loads, requests a second")
    bench.add_argument(
        "--conversations",
        type=Path,
        help="JSON array of ShareGPT rows with tools: adds loads of single tool calls and of sessions",
    )
    bench.add_argument(
        "--tool-call-tokens", type=_count, default=256, help="tokens of their answers at most, default 256"
    )
    bench.add_argument("--tool-wait", type=float, default=0.5, help="mean wait for a tool in a session, s, default 0.5")
    bench.add_argument(
        "--reuse", type=_shares, default=(0.0, 1.0), help="shares of the sessions that begin alike, default 0,1"
    )
    bench.add_argument(
        "--cancel-share", type=float, default=0.0, help="adds a load of which the client cancels this share, default 0"
    )
    bench.add_argument(
        "--cancel-after", type=float, default=0.0, help="cancels after these s; 0: some tokens, default 0"
    )
    bench.add_argument("--repeats", type=_count, default=1, help="whole runs, for an interval over them, default 1")
    bench.add_argument("--out", type=Path, help="folder for tables and pictures; an interrupted run resumes from it")


if __name__ == "__main__":
    raise SystemExit(main())
