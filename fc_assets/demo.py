"""`fc-assets demo`: materialise the whole graph in one process and print its headline tables.

It uses the instance at `$DAGSTER_HOME`, so that `dagster dev` shows the same run afterwards; the profile is the one
that `$FC_PROFILE` names. Only the printing belongs here.
"""

from __future__ import annotations

import argparse
import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path

import dagster as dg
from rich.console import Console

from fc_assets import names
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.dead_runs import end_dead_runs, wait_for_place
from fc_assets.foundation.failures import failure_sentence
from fc_assets.foundation.presentation.terminal import console, text_table
from fc_assets.profiles import PROFILE_VARIABLE, load_profile

TABLES = (
    (names.EVAL_REPORT, "comparison", "The models on the validation split, 95 % intervals", ()),
    (
        names.BENCHMARK_MATRIX,
        "cells",
        "Load test of the promoted policy",
        ("cell", "TTFT P50 ms", "TTFT P95 ms", "TPOT P95 ms", "E2E P95 ms", "requests/s", "output tokens/s", "failed"),
    ),
    (
        names.EDGE_REPORT,
        "files",
        "GGUF files for the edge",
        ("kind", "mb", "bits_per_weight", "peak_rss_mb", "tokens_per_second", "first_token_p50_ms", "exact_match"),
    ),
)
"""What is printed at the end: asset, the name of its metadata table, a heading, and the columns (none: all)."""


class Progress(logging.Handler):
    """One line for each step that starts and ends, and the messages of the children in between."""

    def __init__(self, out: Console, instance: dg.DagsterInstance) -> None:
        super().__init__(logging.DEBUG)
        self.out = out
        self.instance = instance
        self.started = time.monotonic()
        self.step_started: dict[str, float] = {}
        self.seconds: dict[str, float] = {}
        self.interrupted = False

    def emit(self, record: logging.LogRecord) -> None:
        meta = getattr(record, "dagster_meta", None) or {}
        event, step = meta.get("dagster_event"), str(meta.get("step_key"))
        if event is None and record.levelno >= logging.INFO:
            self._print(f"    {meta.get('orig_message', record.getMessage())}")
        elif event is not None and event.is_step_start:
            self.step_started[step] = time.monotonic()
            self._print(f"▶ {step}")
        elif event is not None and (event.is_step_success or event.is_step_failure):
            self.seconds[step] = time.monotonic() - self.step_started[step]
            self._print(f"{'✔' if event.is_step_success else '✘'} {step}, {self.seconds[step]:.1f} s")
        elif event is not None:
            self._wait(event, str(meta.get("run_id")))

    def _wait(self, event: dg.DagsterEvent, run_id: str) -> None:
        try:
            wait_for_place(self.instance, event, run_id, self._print)
        except KeyboardInterrupt:
            self.interrupted = True
            raise

    def _print(self, text: str) -> None:
        self.out.print(f"{time.monotonic() - self.started:6.0f} s  {text}", soft_wrap=True)


def main(arguments: Sequence[str] = ("demo",)) -> int:
    """Run the graph and print the tables; the command takes no options, and `--help` runs nothing.

    The exit status is 1 when a step failed or a gate did.
    """
    _parser().parse_args(arguments)
    profile = load_profile()
    from fc_assets.definitions import build_defs  # reads the profile too: a wrong one is reported above

    _check_instance_folder(os.environ.get("DAGSTER_HOME", ""))
    out, errors = console(), console(stderr=True)
    out.print(f"profile {profile.name}: {profile.description}\n", soft_wrap=True)
    with dg.DagsterInstance.get() as instance:
        for dead in end_dead_runs(instance):
            out.print(f"run {dead.run_id[:8]} was killed (its process {dead.pid} is gone): marked as failed")
        progress = Progress(out, instance)
        logger = logging.Logger("fc_assets.demo")
        logger.addHandler(progress)
        terminal = dg.LoggerDefinition(lambda _: logger, description="Progress of the demo on the terminal.")
        defs = dg.Definitions.merge(build_defs(profile), dg.Definitions(loggers={"terminal": terminal}))
        result = defs.resolve_job_def("everything").execute_in_process(
            instance=instance, raise_on_error=False, run_config={"loggers": {"terminal": {"config": {}}}}
        )
        if progress.interrupted:
            errors.print("\nended on request while a step waited for its place; nothing is half done")
            return 130
        for event in result.all_events:
            if event.is_step_failure:
                errors.print(f"\n✘ {event.step_key} failed: {failure_sentence(event)}", soft_wrap=True)
        evaluations = result.get_asset_check_evaluations()
        failed = [evaluation for evaluation in evaluations if not evaluation.passed]
        out.print(f"\n{len(progress.seconds)} steps, {len(evaluations)} checks, {sum(progress.seconds.values()):.0f} s")
        for evaluation in failed:
            out.print(_failed_check(evaluation), soft_wrap=True)
        for asset, name, heading, columns in TABLES:
            _print_table(out, instance, asset, name, heading, columns)
    out.print(f"\nTo see the lineage, plots and checks: {_page_command()}, then open http://127.0.0.1:3000")
    gates_hold = all(evaluation.severity != dg.AssetCheckSeverity.ERROR for evaluation in failed)
    return 0 if result.success and gates_hold else 1


def _check_instance_folder(folder: str) -> None:
    if not folder:
        raise FcAssetsError(
            "DAGSTER_HOME is not set: run `make demo`, or set it to a folder of this profile with a dagster.yaml"
        )
    if not (Path(folder).is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        raise FcAssetsError(
            f"DAGSTER_HOME names {folder}, which is no folder that this user may write into: make it, give it to this "
            "user, mount its disk for writing, or name another one"
        )


def _parser() -> argparse.ArgumentParser:
    does = (
        "Materialise the whole graph of the profile in $FC_PROFILE (default: demo) in one process, and print its "
        "headline tables. Runs go to the Dagster instance at $DAGSTER_HOME; `make demo` sets it."
    )
    parser = argparse.ArgumentParser(prog="fc-assets", description=does)
    parser.add_subparsers(required=True).add_parser("demo", help="the only command here", description=does)
    return parser


def _page_command() -> str:
    """What shows this profile's graph, and not the demo's."""
    named = os.environ.get(PROFILE_VARIABLE)
    return f"make ui {PROFILE_VARIABLE}={named}" if named else "make ui"


def _print_table(
    out: Console, instance: dg.DagsterInstance, asset: str, name: str, heading: str, columns: Sequence[str]
) -> None:
    event = instance.get_latest_materialization_event(dg.AssetKey(asset))
    materialization = event.asset_materialization if event else None
    if materialization is None:
        out.print(f"\n{heading}: {asset} has not been materialised")
        return
    shown = materialization.metadata[name]
    assert isinstance(shown, dg.TableMetadataValue)
    # A record read back from the instance has its fields sorted: their order is the schema's.
    wanted = columns or [column.name for column in shown.schema.columns]
    out.print(f"\n{heading}")
    out.print(text_table([record.data for record in shown.records], wanted))


def _failed_check(evaluation: dg.AssetCheckEvaluation) -> str:
    asset, severity = evaluation.asset_key.to_user_string(), evaluation.severity.value.lower()
    return f"✘ {severity}: {asset}.{evaluation.check_name}: {evaluation.description or 'failed'}"
