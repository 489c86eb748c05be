"""The page of a run: whole without a network, every text in it escaped, the cells beside it for other programs."""

import asyncio
import csv
import json
import re
from pathlib import Path

import pytest

from fc_assets.load_test.findings import plots
from fc_assets.load_test.matrix.matrix_measurement import measure_matrix
from fc_assets.load_test.matrix.resume import ResumeFolder
from fc_assets.load_test.matrix.tables import read_rows, write_matrix
from fc_assets.load_test.report.page import write_report
from fc_assets.names import CELLS_CSV, CELLS_JSON, REPORT_HTML
from fc_assets.profiles import BenchmarkSettings, ServiceLevel
from fc_assets.serving.server import connect
from fc_assets_tests.support.scripted_server import ScriptedServer, answer

HOSTILE = "<script>alert(1)</script>"
SETTINGS = BenchmarkSettings(
    quick_concurrency=(1, 2),
    quick_context_lengths=(16,),
    request_rates=(),
    output_tokens=4,
    requests_per_cell=8,
    slo=ServiceLevel(at_concurrency=2),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    models = json.dumps({"data": [{"id": HOSTILE}]})
    with ScriptedServer(lambda body: answer(body, first_s=0.01, gap_s=0.002), {"/v1/models": models}) as server:
        endpoint = connect(server.url)
        matrix = asyncio.run(
            measure_matrix(
                endpoint, SETTINGS, ResumeFolder(folder / "resume"), log=folder / "log", progress=lambda _: None
            )
        )
    conditions = {"server": {"api_url": "http://me:secret@host:8000"}, "machine": {"gpu": HOSTILE}}
    write_matrix(matrix, endpoint, SETTINGS, conditions, folder)
    plots.draw_all(read_rows(folder), SETTINGS.slo, folder)
    write_report(folder)
    return folder


def test_the_page_needs_no_network_and_has_every_part(run: Path) -> None:
    page = (run / REPORT_HTML).read_text(encoding="utf-8")
    assert re.findall(r"""(?:src|href)=["'](?!data:image/png;base64,)""", page) == []
    assert "@import" not in page
    assert page.count("data:image/png;base64,") == 4
    titles = ["Cells", "Over concurrency", "Latency against throughput", "All closed cells", "Time line"]
    assert all(f"<h2>{title}</h2>" in page for title in [*titles, "The client alone", "Conditions"])
    assert page.count("closed-c2-ctx16") >= 1
    assert "server.api_url" in page


def test_what_a_server_says_is_escaped_and_no_password_is_shown(run: Path) -> None:
    page = (run / REPORT_HTML).read_text(encoding="utf-8")
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 2
    assert "secret" not in page


def test_the_cells_lie_beside_it_as_csv_and_json(run: Path) -> None:
    cells = json.loads((run / CELLS_JSON).read_text(encoding="utf-8"))["cells"]
    with (run / CELLS_CSV).open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["cell"] for row in rows] == [cell["cell"] for cell in cells] == ["closed-c1-ctx16", "closed-c2-ctx16"]
    assert float(rows[1]["ttft_p50_s"]) == pytest.approx(cells[1]["ttft_p50_s"])
