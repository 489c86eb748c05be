"""The client against a scripted broken server: no finished row is lost, no failure becomes an answer."""

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiohttp import web

from fc_assets.calls.call import Call
from fc_assets.calls.conversations import Turn
from fc_assets.calls.prompts import answer_text
from fc_assets.errors import FcAssetsError
from fc_assets.evaluation.answers import (
    FAILED,
    TOO_LONG,
    Answer,
    Question,
    RequestSettings,
    answer_log,
    resume_identity,
)
from fc_assets.evaluation.inference.client import ServerFailingError, ask, request_body
from fc_assets.evaluation.inference.predictions import summarise
from fc_assets.evaluation.prediction_files import Prediction, scoring_rows
from fc_assets.evaluation.scoring import judged, score_rows
from fc_assets.serving.endpoint import Endpoint
from fc_assets_tests.support.tools import WEIGHTS
from fc_assets_tests.support.web_server import serving

TOOL = {
    "name": "add",
    "description": "Adds.",
    "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}},
}
ASKING = RequestSettings(
    max_tokens=8, concurrency=4, timeout_s=0.5, retries=3, max_failed_share=0.0, seed=1, first_wait_s=0.01
)


def question(row: str) -> Question:
    return Question(row, [{"role": "user", "content": row}], [TOOL])


def completion(text: str | None, **message: object) -> dict[str, object]:
    return {
        "choices": [{"message": {"content": text, **message}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3},
    }


class ScriptedServer:
    """Answers the n-th request for a row with the n-th behaviour of that row's script, then echoes the row's id."""

    def __init__(self) -> None:
        self.scripts: dict[str, list[str]] = {}
        self.default: list[str] = []
        self.asked: Counter[str] = Counter()
        self.bodies: list[dict[str, object]] = []

    async def complete(self, request: web.Request) -> web.StreamResponse:
        raise web.HTTPNotFound()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        row = body["messages"][0]["content"]
        script = self.scripts.get(row, self.default)
        behaviour = script[self.asked[row]] if self.asked[row] < len(script) else "echo"
        self.asked[row] += 1
        self.bodies.append(body)
        if behaviour == "echo":
            return web.json_response(completion(f"answer to {row}"))
        if behaviour == "hang":
            await asyncio.sleep(30)
        if behaviour == "cut":
            response = web.StreamResponse(headers={"Content-Length": "5000"})
            await response.prepare(request)
            await response.write(b'{"choices": [{"mess')
            request.transport.close()
            return response
        if behaviour == "drop":
            request.transport.close()
            return web.Response()
        if behaviour == "garbage":
            return web.Response(text="<html>gateway</html>")
        if behaviour == "half":
            return web.json_response({"choices": []})
        if behaviour == "long":
            message = "This model's maximum context length is 64 tokens. However, your prompt contains 99 input tokens"
            return web.json_response({"error": {"message": message}}, status=400)
        return web.json_response({"error": {"message": f"scripted {behaviour}"}}, status=int(behaviour))


@contextmanager
def running(server: ScriptedServer) -> Iterator[Endpoint]:
    with serving(POST={"/v1/chat/completions": server.handle, "/v1/completions": server.complete}) as url:
        yield Endpoint(url, "m")


def ask_with(
    server: ScriptedServer,
    home: Path,
    rows: list[str],
    asking: RequestSettings = ASKING,
    report: Callable[[str], None] = print,
):
    with running(server) as endpoint, answer_log(home) as log:
        return ask(endpoint, [question(row) for row in rows], asking, log, report)


@pytest.mark.parametrize("behaviour", ["500", "503", "429", "hang", "cut", "drop", "garbage", "half"])
def test_what_may_heal_is_asked_again(tmp_path: Path, behaviour: str) -> None:
    server = ScriptedServer()
    server.scripts["a"] = [behaviour, behaviour]
    answers = ask_with(server, tmp_path, ["a", "b"])
    assert [(answer.id, answer.text, answer.error) for answer in answers] == [
        ("a", "answer to a", ""),
        ("b", "answer to b", ""),
    ]
    assert server.asked == {"a": 3, "b": 1}
    assert (answers[0].prompt_tokens, answers[0].completion_tokens) == (7, 3)
    assert 0 < answers[0].latency_s < ASKING.timeout_s


@pytest.mark.parametrize("behaviour", ["500", "hang", "cut", "garbage", "401"])
def test_a_row_without_an_answer_is_never_an_empty_answer(tmp_path: Path, behaviour: str) -> None:
    server = ScriptedServer()
    server.scripts["c"] = [behaviour] * 4
    allowed = RequestSettings(8, 4, 0.2, 3, max_failed_share=0.25, seed=1, first_wait_s=0.01)
    answers = {answer.id: answer for answer in ask_with(server, tmp_path, ["a", "b", "c", "d"], allowed)}
    assert answers["c"].finish_reason == FAILED
    assert answers["c"].failed and answers["c"].error
    assert all(not answers[row].failed for row in "abd")
    assert server.asked["c"] == (1 if behaviour == "401" else 4), "what cannot heal is not asked again"


def test_too_many_failures_end_the_step_and_keep_what_had_arrived(tmp_path: Path) -> None:
    server = ScriptedServer()
    server.scripts["bad"] = ["500"] * 4
    rows = ["a", "b", "c", "bad"]
    with pytest.raises(ServerFailingError, match=r"1 of 4 questions stayed without an answer.*scripted 500"):
        ask_with(server, tmp_path, rows)
    assert server.asked == {"a": 1, "b": 1, "c": 1, "bad": 4}

    answers = ask_with(server, tmp_path, rows)
    assert [answer.text for answer in answers] == [f"answer to {row}" for row in rows]
    assert server.asked == {"a": 1, "b": 1, "c": 1, "bad": 5}, "only the row without an answer is asked again"


def test_a_dead_server_ends_the_step_soon(tmp_path: Path) -> None:
    endpoint = Endpoint("http://127.0.0.1:9", "m")
    with answer_log(tmp_path) as log, pytest.raises(ServerFailingError, match="Connect"):
        ask(endpoint, [question(str(row)) for row in range(500)], ASKING, log, print)


def test_a_prompt_that_does_not_fit_is_the_models_failure(tmp_path: Path) -> None:
    server = ScriptedServer()
    server.scripts["a"] = ["long"]
    answers = ask_with(server, tmp_path, ["a"])
    assert answers[0].finish_reason == TOO_LONG and not answers[0].failed
    assert "maximum context length" in answers[0].error
    assert server.asked["a"] == 1


@pytest.mark.parametrize("prompt", [60, 64, 99])
def test_a_long_prompt_gets_the_room_that_it_leaves(tmp_path: Path, prompt: int) -> None:
    server = ScriptedServer()
    server.scripts["a"] = ["long"]

    async def count(request: web.Request) -> web.Response:
        body = await request.json()
        assert body["messages"] and body["tools"] and body["chat_template_kwargs"] == {"enable_thinking": False}
        return web.json_response({"count": prompt, "max_model_len": 64})

    with (
        serving(POST={"/v1/chat/completions": server.handle, "/tokenize": count}) as url,
        answer_log(tmp_path) as log,
    ):
        (answer,) = ask(Endpoint(url, "m"), [question("a")], ASKING, log, print)
    budgets = [body["max_tokens"] for body in server.bodies]
    if prompt < 64:
        assert (answer.text, budgets) == ("answer to a", [ASKING.max_tokens, 4])
    else:
        assert (answer.finish_reason, budgets) == (TOO_LONG, [ASKING.max_tokens])


def test_an_interrupted_step_goes_on_where_it_was(tmp_path: Path) -> None:
    server = ScriptedServer()
    ask_with(server, tmp_path, ["a", "b"])
    with (tmp_path / "answers.jsonl").open("a") as stream:
        stream.write('{"id": "c", "text": "half a li')  # the process was killed while it wrote
    told: list[str] = []
    answers = ask_with(server, tmp_path, ["a", "b", "c", "d"], report=told.append)
    assert [answer.text for answer in answers] == [f"answer to {row}" for row in "abcd"]
    assert server.asked == {"a": 1, "b": 1, "c": 1, "d": 1}
    assert any("2 of 4" in line for line in told)
    ask_with(server, tmp_path, ["a", "b", "c", "d"])
    assert sum(server.asked.values()) == 4, "the torn line did not swallow the one after it"


def test_two_steps_do_not_ask_the_same_questions_at_once(tmp_path: Path) -> None:
    with answer_log(tmp_path), pytest.raises(FcAssetsError, match="Another run asks"), answer_log(tmp_path):
        pass


def test_the_identity_changes_with_whatever_changes_the_answers() -> None:
    def identity(model: str = "m", row: str = "a", asking: RequestSettings = ASKING, **server: object) -> str:
        return json.dumps(resume_identity(model, [question(row)], asking, server))

    faster = RequestSettings(8, 99, 9.0, 9, 0.5, 1)
    constrained = RequestSettings(8, 4, 0.5, 3, 0.0, 1, decode="constrained")
    assert identity() == identity(asking=faster), "how patiently is asked does not change what is answered"
    others = [identity(model="n"), identity(row="b"), identity(asking=constrained), identity(dtype="float32")]
    assert len({identity(), *others}) == 5


def test_the_request_is_greedy_seeded_and_keeps_the_tools_in_the_prompt() -> None:
    body = request_body("m", question("a"), ASKING)
    assert body["temperature"] == 0 and body["seed"] == 1 and body["tool_choice"] == "none"
    assert body["chat_template_kwargs"] == {"enable_thinking": False}
    assert body["tools"] == [{"type": "function", "function": TOOL}]
    assert "tools" not in request_body("m", Question("a", [], []), ASKING)


def test_constrained_calls_come_back_as_the_model_would_have_written_them(tmp_path: Path) -> None:
    server = ScriptedServer()
    asking = RequestSettings(8, 1, 0.5, 0, 0.0, 1, decode="constrained")

    async def calls(request: web.Request) -> web.Response:
        server.bodies.append(await request.json())
        call = {"function": {"name": "add", "arguments": '{"a": 1}'}}
        return web.json_response(completion(None, tool_calls=[call, call]))

    server.handle = calls
    (answer,) = ask_with(server, tmp_path, ["a"], asking)
    block = "<tool_call>\n" + json.dumps({"name": "add", "arguments": {"a": 1}}) + "\n</tool_call>"
    assert answer.text == f"{block}\n{block}"
    assert server.bodies[0]["tool_choice"] == "required"
    assert server.bodies[0]["tools"][0]["function"]["strict"] is True
    assert "strict" not in TOOL


def test_a_question_with_its_own_prompt_is_a_plain_completion(tmp_path: Path) -> None:
    server = ScriptedServer()

    async def complete(request: web.Request) -> web.Response:
        server.bodies.append(await request.json())
        return web.json_response({"choices": [{"text": "done", "finish_reason": "length"}]})

    server.complete = complete
    with running(server) as endpoint, answer_log(tmp_path) as log:
        (answer,) = ask(endpoint, [Question("a", prompt="<|im_start|>")], ASKING, log, print)
    assert (answer.text, answer.finish_reason, answer.prompt_tokens) == ("done", "length", None)
    assert server.bodies[0]["prompt"] == "<|im_start|>"
    assert not {"messages", "tools", "chat_template_kwargs"} & server.bodies[0].keys()


def test_the_client_keeps_up_with_a_server_that_answers_at_once(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "fc_assets.load_test.load.null_server", "--chunks", "8", "--whole"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process, answer_log(tmp_path) as log:
        try:
            endpoint = Endpoint(f"http://127.0.0.1:{int(process.stdout.readline())}", "null")
            settings = RequestSettings(8, 32, 60, 0, 0.0, 1)
            started = time.perf_counter()
            answers = ask(endpoint, [question(str(row)) for row in range(60)], settings, log, print)
            took_s = time.perf_counter() - started
        finally:
            process.terminate()
    assert len(answers) == 60 and all(answer.completion_tokens == 8 for answer in answers)
    assert 60 / took_s > 50, "some 5,000 requests a second are usual"


def test_the_summary_counts_as_the_report_does() -> None:
    call = answer_text([Call("add", {"a": 1})])
    cases = {  # text, finish reason, calls expected
        "right": (call, "stop", (Call("add", {"a": 1}),)),
        "silent": ("No.", "stop", ()),
        "silent where a call is expected": ("No.", "stop", (Call("add", {"a": 1}),)),
        "malformed": ("<tool_call>{", "length", (Call("add", {"a": 1}),)),
        "too long": ("", TOO_LONG, ()),
        "failed": ("", FAILED, ()),
        "cut while it thought": ("<think>Hm", "length", ()),
        "cut in words": ("I could", "length", ()),
    }
    turns = [Turn(row, (), "", (TOOL,), calls, "", {}) for row, (_, _, calls) in cases.items()]
    answers = [Answer(row, text, finish, 1.0, 2, 3) for row, (text, finish, _) in cases.items()]
    summary = summarise(turns, answers)
    rows = scoring_rows(turns, [Prediction(each.id, each.text, each.finish_reason) for each in answers])
    assert summary.parse_rate == judged(score_rows(rows, WEIGHTS, 1.0))["parse_ok"].mean() == 2 / 7
    assert (summary.rows, summary.failed, summary.too_long, summary.cut) == (8, 1, 1, 3)
