"""The sweep: what was set, how fast it was, and what the tool calls were worth, side by side."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fc_assets.load_test.findings.recommendation import recommend
from fc_assets.load_test.findings.sweep import compared_with_the_pair, sweep_row
from fc_assets.load_test.jobs import ReleaseUnderTest, SweepJob
from fc_assets.load_test.sweep_job import sweep
from fc_assets.profiles import BenchmarkSettings, ServerSettings, ServiceLevel
from fc_assets_tests.load_test.conftest import CONVERSATION, question
from fc_assets_tests.load_test.findings.conftest import SLO, cell
from fc_assets_tests.support.scripted_server import Action, ScriptedServer, answer, call_answer

DIGEST = "0123456789abcdef" * 4
SERVER = ServerSettings(max_num_seqs=64, max_num_batched_tokens=2048, max_model_len=4096)


class Lines:
    """A log that keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def info(self, line: str) -> None:
        self.said.append(line)


def test_each_choice_has_its_tool_calls_beside_its_speed_and_is_measured_once(tmp_path: Path) -> None:
    split = tmp_path / "rows.json"
    split.write_text(json.dumps([CONVERSATION, *map(question, range(6))]))

    def script(body: Mapping[str, Any]) -> list[Action]:
        return call_answer("add", '{"a": 1}') if "messages" in body else answer(body)

    benchmark = BenchmarkSettings(
        mode="full", concurrency=(2,), context_lengths=(16,), output_tokens=4, requests_per_cell=4, warmup_requests=0,
        sweep_max_num_seqs=(2, 4), sweep_max_num_batched_tokens=(64,), sweep_ngram_tokens=(3,), tool_wait_s=0,
        idle_answers=2, slo=ServiceLevel(at_concurrency=2),
    )  # fmt: skip
    with ScriptedServer(script, {"/v1/models": json.dumps({"data": [{"id": f"policy-{DIGEST[:16]}"}]})}) as server:
        release = ReleaseUnderTest(
            checkpoint=tmp_path, served_name="policy", digest=DIGEST, server=ServerSettings(api_url=server.url),
            server_log=tmp_path / "log",
        )  # fmt: skip
        job = SweepJob(release=release, benchmark=benchmark, split=split, resume=tmp_path / "resume")
        rows = sweep(job, Lines()).rows
        asked = len(server.exchanges)
        assert sweep(job, Lines()).rows == rows  # an interrupted sweep resumes from what it has
        assert len(server.exchanges) == asked
        (tmp_path / "resume" / "max_num_seqs=4-max_num_batched_tokens=64" / "tools-free-c2.json").unlink()
        sweep(job, Lines())
        assert all("messages" in exchange.body for exchange in server.exchanges[asked:])  # the closed load is kept
        assert len(server.exchanges) > asked
    assert [row["max_num_seqs"] for row in rows[:2]] == [2, 4]
    assert [(row["extra"], row["prefix_caching"], row["ngram_tokens"]) for row in rows] == [
        ("", True, 0), ("", True, 0), ("no prefix caching", False, 0), ("n-gram speculation of 3 tokens", True, 3),
    ]  # fmt: skip
    for row in rows:
        assert row["cell"] == "closed-c2-ctx16"
        assert row["valid_call_share"] == row["as_idle_share"] == 1
        assert row["tool_calls_per_s"] > 0
        assert row["sessions_ttft_p50_s"] > 0


def tried(extra: str, *, tool_calls: float, valid: float = 0.9, **change: object) -> dict[str, Any]:
    closed = {**cell(256, 4), "goodput_per_s": tool_calls, "cell": "closed-c4-ctx256"}
    tools = {"kind": "tools-free", "requests_per_s": tool_calls, "valid_call_share": valid, "as_idle_share": 1.0}
    return sweep_row(SERVER.model_copy(update=change), extra, [closed, tools])


def test_a_further_setting_is_told_beside_the_same_pair_without_it_and_wins_no_recommendation() -> None:
    rows = [
        tried("", tool_calls=8.0, max_num_seqs=16),
        tried("", tool_calls=10.0),
        tried("n-gram speculation of 4 tokens", tool_calls=15.0, valid=0.5, ngram_tokens=4),
    ]
    told = compared_with_the_pair(rows)
    assert told == ["n-gram speculation of 4 tokens: 15.00 tool calls/s (10.00 without), 50% valid (90% without)"]
    found = recommend([cell(256, 4)], rows, SERVER, SLO)
    assert found.max_num_seqs == 64
    assert told[0] in found.reasons
    assert any("Of 2 server settings tried" in reason for reason in found.reasons)


def test_without_conversations_nothing_is_said_of_tool_calls() -> None:
    row = sweep_row(SERVER, "no prefix caching", [{**cell(256, 4), "cell": "closed-c4-ctx256"}])
    assert row["tool_calls_per_s"] is None
    assert compared_with_the_pair([row | {"extra": ""}, row]) == []


@pytest.mark.parametrize("field", ["max_num_seqs", "ngram_tokens"])
def test_rows_name_what_was_set(field: str) -> None:
    assert tried("", tool_calls=1.0, **{field: 7})[field] == 7
