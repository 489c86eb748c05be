"""One run as one self-contained HTML page, its cells beside it as CSV and JSON. Computes no number.

Everything is read from the files of the run, so the page can be made again of any. The page is
`templates/load-test.html.j2`, which escapes every text that is put into it.
"""

from __future__ import annotations

import base64
import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fc_assets.foundation.json_files import finite, write_json
from fc_assets.foundation.presentation.pages import render_page
from fc_assets.load_test.capacity.probes import read_capacities
from fc_assets.load_test.findings.headline import headline
from fc_assets.load_test.findings.session_turns import session_turns
from fc_assets.load_test.load.steady_state import PLATEAU_SLICES, TOLERANCE
from fc_assets.load_test.matrix.tables import MatrixRecord, Rows, read_record, read_rows
from fc_assets.load_test.report.timeline import draw_timeline
from fc_assets.names import (
    CAPACITY_PLOT,
    CELLS_CSV,
    CELLS_JSON,
    CURVES_PLOT,
    HEAT_MAP_PLOT,
    LATENCY_THROUGHPUT_PLOT,
    MATRIX_REQUESTS,
    RECONCILIATION,
    REPORT_HTML,
    TIMELINE_PLOT,
)
from fc_assets.profiles.provenance import without_credentials

TITLE = "Load test"


@dataclass(frozen=True, slots=True)
class PagePart:
    """One part of the page: `rows` are records with the same keys, `picture` the name of a file beside it."""

    title: str
    text: str
    rows: Sequence[Mapping[str, object]] = ()
    picture: str = ""

    @property
    def columns(self) -> list[str]:
        """The keys of all rows, in the order in which they come."""
        return list(dict.fromkeys(name for row in self.rows for name in row))


def write_report(folder: Path) -> None:
    """Write the page, the time line, and the cells as CSV and JSON into the folder of a run that has its tables and
    pictures.
    """
    cells, record = read_rows(folder), read_record(folder)
    draw_timeline(cells, read_rows(folder, MATRIX_REQUESTS), folder / TIMELINE_PLOT)
    _write_csv(cells, folder / CELLS_CSV)
    write_json(folder / CELLS_JSON, {"cells": finite(cells)})
    sections = list(_sections(folder, cells, record))
    pictures = {each.picture: (folder / each.picture).read_bytes() for each in sections if each.picture}
    page = render_page(
        Path(__file__).parent / "templates" / "load-test.html.j2",
        title=TITLE,
        summary=_summary(folder, cells, record),
        sections=sections,
        pictures={name: base64.b64encode(png).decode() for name, png in pictures.items()},
    )
    (folder / REPORT_HTML).write_text(page, encoding="utf-8")


def _summary(folder: Path, cells: Rows, record: MatrixRecord) -> Iterator[str]:
    yield f"{record.model} on server version {record.server['version']}, {record.server['device']}"
    failed = [row["cell"] for row in cells if row["error_rate"]]
    yield f"{len(cells)} cells; requests failed in {', '.join(failed) or 'none'}"
    for mark, said in (("marched", "marched in step"), ("client_limited", "measured the client as much as the server")):
        if marked := [row["cell"] for row in cells if row[mark]]:
            yield f"{', '.join(marked)} {said}"
    if capacities := read_capacities(folder):
        for search in [each for each in (capacities.closed, capacities.open) if each]:
            yield f"Capacity, {search.kind} loads at {capacities.context_length} tokens: {search.describe()}"


def _sections(folder: Path, cells: Rows, record: MatrixRecord) -> Iterator[PagePart]:
    yield PagePart(
        "Cells",
        "Times in milliseconds. Within 5 ms: the share of requests that left so near to another. Send CV: how much the "
        "times between sendings vary, 1 for a Poisson process. Steady: the share of the window on the plateau. As when "
        "idle: the share of answers that the idle server gives to the letter; cut under load: with fewer tokens.",
        [headline(row) for row in cells],
    )
    if turns := session_turns(cells, read_rows(folder, MATRIX_REQUESTS), record.benchmark["seed"]):
        yield PagePart(
            "Sessions, turn by turn",
            "Each turn repeats the prompt of the one before and adds to it. Reuse: how many per cent of the sessions "
            "begin with the same system prompt and tools. Hits are those of the whole cell.",
            turns,
        )
    yield PagePart("Over concurrency", "Intervals of 95 % as bands.", picture=CURVES_PLOT)
    yield PagePart("Latency against throughput", "A curve for each context length.", picture=LATENCY_THROUGHPUT_PLOT)
    yield PagePart("All closed cells", "Framed where a cell breaks the SLO.", picture=HEAT_MAP_PLOT)
    if (folder / CAPACITY_PLOT).is_file():
        yield PagePart("Capacity at the SLO", "All loads tried, with Wilson's intervals.", picture=CAPACITY_PLOT)
    yield PagePart(
        "Time line",
        "Requests under way over the measuring window, in seconds; the dots are TTFT P50. The band is the plateau: a "
        f"load is cut into {PLATEAU_SLICES} slices, and it is the longest row of them within {TOLERANCE:.0%} of, or "
        "one request from, their common mean. What is outside it is warm-up or tail. Open loads have none.",
        picture=TIMELINE_PLOT,
    )
    compared = read_rows(folder, RECONCILIATION)
    yield PagePart(
        "Client and server", "What both counted." if compared else "The server has no counts of its own.", compared
    )
    yield PagePart("The client alone", "Against a server that answers at once.", [record.calibration])
    known = {"server": record.server, **record.conditions}
    yield PagePart("Conditions", "What a run must share to be compared with this one.", list(_flat(known)))


def _flat(value: Mapping[str, Any], path: str = "") -> Iterator[dict[str, object]]:
    for name, inner in without_credentials(dict(value)).items():
        if isinstance(inner, dict):
            yield from _flat(inner, f"{path}{name}.")
        else:
            yield {"condition": f"{path}{name}", "value": inner}


def _write_csv(cells: Rows, file: Path) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(cells[0]))
        writer.writeheader()
        writer.writerows(cells)
