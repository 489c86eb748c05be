"""The real vLLM, CPU build, with the embedded model: it starts, answers, counts as we do, and leaves nothing behind."""

import asyncio
import json
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from fc_assets.calls.conversations import turns_of
from fc_assets.load_test.load.client import Client, Reply
from fc_assets.load_test.load.workload import conversations
from fc_assets.load_test.matrix.cell_measurement import CellFailedError
from fc_assets.load_test.matrix.matrix_measurement import measure_matrix
from fc_assets.load_test.matrix.resume import ResumeFolder
from fc_assets.load_test.matrix.workloads import Questions
from fc_assets.profiles import EMBEDDED, ServerSettings, load_profile
from fc_assets.serving.endpoint import Endpoint
from fc_assets.serving.server import serve
from fc_assets_tests.load_test.conftest import ROW

pytestmark = [pytest.mark.slow, pytest.mark.vllm]

PROFILE = load_profile("demo")
BENCHMARK = PROFILE.benchmark.model_copy(
    update={"quick_concurrency": (1, 4), "requests_per_cell": 8, "request_rates": (8.0,)}
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vllm")


@pytest.fixture(scope="module")
def endpoint(folder: Path) -> Iterator[Endpoint]:
    with serve(EMBEDDED, PROFILE.server, name="m", log=folder / "vllm.log", model_digest="d1") as running:
        pid = running.info.pid
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        assert len(family) >= 3  # supervisor, API server, engine
        yield running
    # One that has ended and waits for its parent to ask after it holds nothing any more.
    assert not [each for each in family if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


def test_it_says_what_it_is(endpoint: Endpoint) -> None:
    assert endpoint.info.device == "cpu"
    assert endpoint.info.model_digest == "d1"
    assert endpoint.info.version != "unknown"
    assert "--tool-call-parser" in endpoint.info.flags


def test_nobody_else_may_ask(endpoint: Endpoint) -> None:
    with pytest.raises(urllib.error.HTTPError) as error:
        Endpoint(endpoint.base_url, endpoint.model).get("/v1/models")
    assert error.value.code == 401


def test_the_matrix_ends_and_both_sides_count_the_same(endpoint: Endpoint, folder: Path) -> None:
    matrix = asyncio.run(
        measure_matrix(
            endpoint,
            BENCHMARK,
            ResumeFolder(folder / "resume"),
            questions=Questions(list(turns_of(ROW))),
            log=folder / "bench.log",
            progress=print,
        )
    )
    assert len(matrix.results) == 2 * len(BENCHMARK.quick_context_lengths) + 1 + 2
    for result in matrix.results:
        figures = result.figures
        assert figures["error_rate"] == 0
        assert 0 < figures["ttft_p50_s"] <= figures["e2e_p50_s"]
        assert figures["output_tokens_per_s"] > 0
        assert figures["server_rss_peak_mb"] > 100
        if result.cell.kind in ("closed", "open"):
            assert figures["prefix_cache_hit_rate"] == 0
        counts = [row for row in result.reconciliation if row["bound"] == 0]
        assert len(counts) == 3
        assert all(row["agrees"] for row in counts), counts


def test_a_constrained_request_names_an_offered_tool(endpoint: Endpoint) -> None:
    turns = list(turns_of(ROW))

    async def ask() -> Reply:
        async with Client(endpoint, timeout_s=60) as client:
            return await client.send(conversations(endpoint.model, turns, 48, constrained=True)(0))

    reply = asyncio.run(ask())
    assert not reply.failure
    assert [call["name"] for call in reply.tool_calls] == ["add"]


def test_killing_it_in_a_cell_keeps_the_finished_ones_and_names_that_cell(endpoint: Endpoint, folder: Path) -> None:
    """The last test of this server, for a reason."""
    resume = ResumeFolder(folder / "killed")

    def kill_after_the_second(_: str) -> None:
        if len(list(resume.path.glob("*.json"))) == 2:
            for child in psutil.Process(endpoint.info.pid).children(recursive=True):
                child.kill()

    with pytest.raises(CellFailedError, match=r"gone in cell closed-c1-ctx256 .* 2 of 5 cells are finished and kept"):
        asyncio.run(
            measure_matrix(endpoint, BENCHMARK, resume, log=folder / "bench.log", progress=kill_after_the_second)
        )
    kept = {json.loads(file.read_text())["figures"]["cell"] for file in resume.path.glob("*.json")}
    assert kept == {"closed-c1-ctx128", "closed-c4-ctx128"}


def test_a_setting_that_vllm_refuses_is_told_in_its_own_words(tmp_path: Path) -> None:
    settings: ServerSettings = PROFILE.server.model_copy(update={"max_model_len": 100_000})
    with (
        pytest.raises(Exception, match=r"before it could serve m: User-specified max_model_len \(100000\)"),
        serve(EMBEDDED, settings, name="m", log=tmp_path / "vllm.log", model_digest="d1"),
    ):
        pass
