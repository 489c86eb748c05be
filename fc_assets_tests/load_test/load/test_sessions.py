"""Sessions: in their order, each prompt the one before and more, tools waited for, as many begun alike as asked."""

import asyncio
import itertools
import json
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from fc_assets.errors import FcAssetsError
from fc_assets.load_test.load.client import Client
from fc_assets.load_test.load.generator import Load, LoadResult, drive_sessions
from fc_assets.load_test.load.sessions import Conversations, SessionPlan, read_conversations
from fc_assets.serving.endpoint import Endpoint
from fc_assets_tests.load_test.conftest import ADD, CONVERSATION, question
from fc_assets_tests.support.scripted_server import HEAD, Action, ScriptedServer, Send, call_answer

WAIT_S = 0.03


def written(folder: Path, rows: list) -> Path:
    file = folder / "rows.json"
    file.write_text(json.dumps(rows))
    return file


@pytest.fixture
def conversations(tmp_path: Path) -> Conversations:
    found = read_conversations(written(tmp_path, [CONVERSATION, *map(question, range(6))]), None, 16)
    assert found is not None
    return found


def plan(conversations: Conversations, reuse: float = 0.5, wait_s: float = WAIT_S) -> SessionPlan:
    return SessionPlan("m", conversations, max_tokens=16, tool_wait_s=wait_s, reuse=reuse, seed=1, mark="run")


def bodies(sessions: SessionPlan, number: int) -> list[dict]:
    return [orjson.loads(each.request.body) for each in sessions(number)]


def run(server: ScriptedServer, sessions: SessionPlan, load: Load) -> LoadResult:
    async def once() -> LoadResult:
        async with Client(Endpoint(server.url, "m", ""), timeout_s=10) as client:
            return await drive_sessions(client, load, sessions)

    return asyncio.run(once())


def session_of(body: Mapping[str, Any]) -> str:
    return body["messages"][0]["content"].split(".")[0]


def test_a_session_waits_for_each_answer_and_each_tool_and_keeps_its_order(conversations: Conversations) -> None:
    def script(_: object) -> list[Action]:
        return call_answer("add", '{"a": 1}', first_s=0.02)

    sessions = plan(conversations, reuse=0.0)
    with ScriptedServer(script) as server:
        result = run(server, sessions, Load(24, warmup=3, concurrency=3, spread_s=0.01))
        seen = defaultdict(list)
        for exchange in server.exchanges:
            seen[session_of(exchange.body)].append(exchange)
    assert len(seen) >= 8
    assert sum(sample.phase == "measured" for sample in result.samples) == 24
    for exchanges in seen.values():
        lengths = [len(exchange.body["messages"]) for exchange in exchanges]
        assert lengths == sorted(set(lengths))
        number = int(session_of(exchanges[0].body).split()[-1])
        waits = [each.wait_s for each in sessions(number)]
        for earlier, later, wait in zip(exchanges, exchanges[1:], waits[1:], strict=False):
            assert later.received >= earlier.outputs[-1] + wait - 0.001
    # At no time more sessions than workers.
    spans = [(each[0].received, each[-1].ended) for each in seen.values()]
    assert max(sum(start <= when < end for start, end in spans) for when, _ in spans) == 3


def test_each_prompt_is_the_one_before_and_more(conversations: Conversations) -> None:
    for sessions in (plan(conversations, reuse=0), plan(conversations, reuse=1)):
        for number in range(3):
            asked = bodies(sessions, number)
            assert len(asked) == 3
            for earlier, later in itertools.pairwise(asked):
                assert later["messages"][: len(earlier["messages"])] == earlier["messages"]
                assert len(later["messages"]) > len(earlier["messages"])
                assert later["tools"] == earlier["tools"]
            assert {each["role"] for each in asked[-1]["messages"]} == {"system", "user", "assistant", "tool"}


@pytest.mark.parametrize(("reuse", "alike"), [(0.0, 0), (0.25, 5), (1.0, 20)])
def test_as_many_sessions_begin_alike_as_asked(conversations: Conversations, reuse: float, alike: int) -> None:
    sessions = plan(conversations, reuse)
    heads = [
        json.dumps([asked["messages"][0], asked["tools"]]) for asked in (bodies(sessions, n)[0] for n in range(20))
    ]
    assert max(heads.count(head) for head in heads) == max(alike, 1)
    assert sum(map(sessions.is_of_agent, range(20))) == alike
    questions = [bodies(sessions, number)[0]["messages"] for number in range(20)]
    assert len({json.dumps(asked) for asked in questions}) == 20  # but no session is the repetition of another one


def test_waits_are_seeded_and_have_the_mean_that_was_asked_for(conversations: Conversations) -> None:
    waits = [[each.wait_s for each in plan(conversations)(number)] for number in range(2000)]
    assert waits == [[each.wait_s for each in plan(conversations)(number)] for number in range(2000)]
    assert {first for first, *_ in waits} == {0.0}
    assert np.mean([wait for _, *rest in waits for wait in rest]) == pytest.approx(WAIT_S, rel=0.05)
    assert {each.wait_s for each in plan(conversations, wait_s=0)(1)} == {0.0}


def test_single_questions_are_joined_and_what_does_not_fit_is_left_out(tmp_path: Path) -> None:
    long = {**CONVERSATION, "system": "x" * 4000}
    found = read_conversations(written(tmp_path, [long, CONVERSATION, *map(question, range(7))]), 1000, 16)
    assert found is not None
    assert [len(each) for each in found.every] == [3, 3, 3]  # the seventh question has none to be joined with
    assert found.left_out == 1
    assert found.tools == (ADD,)
    assert read_conversations(written(tmp_path, [question(0)]), 1000, 16) is None
    assert read_conversations(written(tmp_path, [CONVERSATION]), 40, 16) is None
    with pytest.raises(FcAssetsError, match="cannot be read as a JSON array"):
        read_conversations(tmp_path / "none.json", 1000, 16)


def test_a_session_whose_request_fails_ends_there(conversations: Conversations) -> None:
    def script(body: Mapping[str, Any]) -> list[Action]:
        whole = call_answer("add", "{}")
        return [Send(HEAD)] if len(body["messages"]) > 2 and session_of(body).endswith(" 0") else whole

    began = time.perf_counter()
    with ScriptedServer(script) as server:
        result = run(server, plan(conversations, reuse=0), Load(12, warmup=0, concurrency=1))
    assert time.perf_counter() - began < 5
    assert [sample.turn for sample in result.samples if sample.session == 0] == [0, 1]
    assert result.samples[1].reply.failure
    assert [sample.turn for sample in result.samples if sample.session == 1] == [0, 1, 2]
