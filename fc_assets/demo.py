"""`fc-assets demo`: materialise the whole graph in one process and print what it came to.

It uses the instance at `$DAGSTER_HOME`, so that `dagster dev` shows the same run afterwards; the profile is the one
`$FC_PROFILE` names. Only the printing belongs here.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Sequence

import dagster as dg

from fc_assets.errors import FcAssetsError
from fc_assets.profiles import load_profile

TABLES = (
    ("eval_report", "comparison", "Three models on the validation split, 95 % intervals", ()),
    (
        "benchmark_matrix",
        "cells",
        "Load test of the promoted policy",
        ("cell", "TTFT P50 ms", "TTFT P95 ms", "TPOT P95 ms", "E2E P95 ms", "requests/s", "output tokens/s", "failed"),
    ),
    (
        "edge_report",
        "files",
        "GGUF files for the edge",
        ("kind", "mb", "bits_per_weight", "peak_rss_mb", "tokens_per_second", "first_token_p50_ms", "exact_match"),
    ),
)
"""What is printed at the end: asset, the name of its metadata table, a heading, and the columns (none: all)."""


class _Progress(logging.Handler):
    """One line for each step that starts and ends, and the messages of the children in between."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.started = time.monotonic()
        self.step_started: dict[str, float] = {}
        self.seconds: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        meta = getattr(record, "dagster_meta", None) or {}
        event, step = meta.get("dagster_event"), meta.get("step_key")
        if event is None and record.levelno >= logging.INFO:
            self._print(f"    {meta.get('orig_message', record.getMessage())}")
        elif event is not None and event.is_step_start:
            self.step_started[step] = time.monotonic()
            self._print(f"▶ {step}")
        elif event is not None and (event.is_step_success or event.is_step_failure):
            self.seconds[step] = time.monotonic() - self.step_started[step]
            self._print(f"{'✔' if event.is_step_success else '✘'} {step}, {self.seconds[step]:.1f} s")

    def _print(self, text: str) -> None:
        print(f"{time.monotonic() - self.started:6.0f} s  {text}", flush=True)


def format_table(records: Sequence[dg.TableRecord], names: Sequence[str]) -> str:
    """Records as aligned text columns in the order of `names`; numbers to the right.

    A record read back from the instance has its fields sorted: the order is the schema's.
    """
    cells = [[_cell(record.data[name]) for name in names] for record in records]
    right = [all(_is_number(record.data[name]) for record in records) for name in names]
    widths = [max(len(name), *(len(row[i]) for row in cells)) for i, name in enumerate(names)]
    lines = []
    for row in [names, *cells]:
        aligned = [
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(row, widths, right, strict=True)
        ]
        lines.append("  ".join(aligned).rstrip())
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def _text_of(value: dg.TableMetadataValue, columns: Sequence[str]) -> str:
    return format_table(value.records, columns or [column.name for column in value.schema.columns])


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def main(_: Sequence[str] = ()) -> int:
    """Run the graph and print the tables; the command takes no options. The exit status is 1 when a step or a check failed."""
    profile = load_profile()
    from fc_assets.definitions import build_defs  # reads the profile too: a wrong one is told of above

    if not os.environ.get("DAGSTER_HOME"):
        raise FcAssetsError("DAGSTER_HOME is not set: run `make demo`, or set it to a folder with a dagster.yaml")
    progress = _Progress()

    @dg.logger(description="Progress of the demo on the terminal.")
    def console(_: dg.InitLoggerContext) -> logging.Logger:
        logger = logging.Logger("fc_assets.demo")
        logger.addHandler(progress)
        return logger

    defs = dg.Definitions.merge(build_defs(profile), dg.Definitions(loggers={"console": console}))
    job = defs.resolve_implicit_global_asset_job_def()
    print(f"profile {profile.name}: {profile.description}\n", flush=True)
    with dg.DagsterInstance.get() as instance:
        result = job.execute_in_process(
            instance=instance, raise_on_error=False, run_config={"loggers": {"console": {"config": {}}}}
        )
        evaluations = result.get_asset_check_evaluations()
        for event in result.all_events:
            if event.is_step_failure:
                print(f"\n✘ {event.step_key} failed: {_reason(event)}", file=sys.stderr)
        print(f"\n{len(progress.seconds)} steps, {len(evaluations)} checks, {sum(progress.seconds.values()):.0f} s")
        failed = [evaluation for evaluation in evaluations if not evaluation.passed]
        for evaluation in failed:
            print(
                f"✘ {evaluation.severity.value.lower()}: {evaluation.asset_key.to_user_string()}."
                f"{evaluation.check_name}: {evaluation.description or 'failed'}"
            )
        for asset, name, heading, columns in TABLES:
            event = instance.get_latest_materialization_event(dg.AssetKey(asset))
            if event is None:
                print(f"\n{heading}: {asset} has not been materialised")
                continue
            print(f"\n{heading}\n\n{_text_of(event.asset_materialization.metadata[name], columns)}")
    print("\nTo see the lineage, plots and checks: make ui, then open http://127.0.0.1:3000")
    gates_hold = all(evaluation.severity != dg.AssetCheckSeverity.ERROR for evaluation in failed)
    return 0 if result.success and gates_hold else 1


def _reason(event: dg.DagsterEvent) -> str:
    failure = event.step_failure_data
    if failure.user_failure_data and failure.user_failure_data.description:
        return failure.user_failure_data.description
    error = failure.error
    while error and error.cause:  # Dagster wraps what escaped a step
        error = error.cause
    return error.message.strip() if error else "no reason was recorded"
