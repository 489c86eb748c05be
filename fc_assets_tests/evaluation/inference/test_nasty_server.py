"""A server that answers wrongly in every way that JSON and HTTP allow: it costs the row, never the step."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest
from aiohttp import web

from fc_assets.evaluation.answers import FAILED, TOO_LONG, Answer, Question, RequestSettings, answer_log
from fc_assets.evaluation.inference import client
from fc_assets.evaluation.inference.client import ask
from fc_assets.evaluation.inference.predictions import read_answers, write_predictions
from fc_assets.serving.endpoint import Endpoint
from fc_assets_tests.support.raw_server import raw_server
from fc_assets_tests.support.web_server import serving

ASKING = RequestSettings(
    max_tokens=8, concurrency=2, timeout_s=5, retries=1, max_failed_share=1.0, seed=1, first_wait_s=0.01
)


def ask_of(folder: Path, *replies: web.Response | str, tokenize: str = "{}") -> list[Answer]:
    """The answers to questions that get these replies, one each; `tokenize` is what /tokenize answers."""
    waiting = {str(number): reply for number, reply in enumerate(replies)}

    async def handle(request: web.Request) -> web.Response:
        reply = waiting[(await request.json())["messages"][0]["content"]]
        if isinstance(reply, str):
            return web.Response(body=reply.encode("utf-8", "surrogatepass"), content_type="application/json")
        return web.Response(status=reply.status, body=reply.body, headers=dict(reply.headers))

    async def count(_: web.Request) -> web.Response:
        return web.Response(text=tokenize, content_type="application/json")

    questions = [Question(row, [{"role": "user", "content": row}]) for row in waiting]
    with serving(POST={"/v1/chat/completions": handle, "/tokenize": count}) as url, answer_log(folder) as log:
        return ask(Endpoint(url, "m"), questions, ASKING, log, print)


def completion(content: str, usage: str = "{}", finish_reason: str = '"stop"') -> str:
    return (
        f'{{"choices": [{{"message": {{"content": {content}}}, "finish_reason": {finish_reason}}}], "usage": {usage}}}'
    )


@pytest.mark.parametrize(
    "usage",
    [f'{{"prompt_tokens": {"9" * 400}}}', '{"prompt_tokens": "many"}', '"none"', "[1]", '{"prompt_tokens": -1}', "7"],
)
def test_token_counts_that_are_none_are_not_kept(tmp_path: Path, usage: str) -> None:
    (answer,) = ask_of(tmp_path, completion('"yes"', usage))
    assert (answer.text, answer.prompt_tokens) == ("yes", None)
    write_predictions([answer], tmp_path / "answers.parquet")


@pytest.mark.parametrize("deep", ["[" * 100_000, '{"choices": ' * 50_000])
def test_json_that_is_nested_without_end_costs_its_row_only(tmp_path: Path, deep: str) -> None:
    error = web.Response(status=400, text=deep)
    deep_answer, refused, well = ask_of(tmp_path, deep, error, completion('"yes"'))
    assert [answer.finish_reason for answer in (deep_answer, refused, well)] == [FAILED, FAILED, "stop"]


@pytest.mark.parametrize(
    "counted",
    ["[" * 100_000, "[]", '{"max_model_len": "long", "count": []}', '{"max_model_len": 1e999}', "9" * 5000],
    ids=["deep", "a list", "words", "infinite", "long"],
)
def test_a_count_of_tokens_that_is_none_costs_its_row_only(tmp_path: Path, counted: str) -> None:
    too_long = web.Response(status=400, text='{"error": {"code": "context_length_exceeded", "message": "no"}}')
    refused, well = ask_of(tmp_path, too_long, completion('"yes"'), tokenize=counted)
    assert refused.finish_reason in (FAILED, TOO_LONG) and well.text == "yes"


def test_a_server_that_has_ended_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a killed server leaves behind takes requests, and answers none."""
    monkeypatch.setattr(client, "WATCH_EVERY_S", 0.05)
    ended: list[str] = []
    with raw_server([b""], pause_s=30) as url, answer_log(tmp_path) as log:
        endpoint = Endpoint(url, "m", ended=lambda: ended.pop() if ended else "")
        began = time.monotonic()
        threading.Timer(0.3, ended.append, ["The vLLM server for m ended with status -9"]).start()
        with pytest.raises(client.ServerFailingError, match=r"for m ended with status -9\. The 0 answers"):
            ask(endpoint, [Question("a", [{"role": "user", "content": "b"}])], ASKING, log, print)
        assert time.monotonic() - began < 3


@pytest.mark.parametrize("wait", ["²", "٣", "1e999", "-1", "9" * 400, "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_odd_waits_are_not_obeyed(tmp_path: Path, wait: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MAX_WAIT_S", 0.02)
    (answer,) = ask_of(tmp_path, web.Response(status=503, headers={"Retry-After": wait}))
    assert answer.finish_reason == FAILED and "HTTP 503" in answer.error


def test_a_body_without_end_is_not_read_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MAX_BODY_BYTES", 1000)
    (answer,) = ask_of(tmp_path, completion(json.dumps("x" * 5000)))
    assert answer.finish_reason == FAILED and "longer than 1000 bytes" in answer.error


def test_lone_surrogates_are_kept_as_escapes(tmp_path: Path) -> None:
    """Spelt as an escape in the server's JSON, they are half characters in the text."""
    (answer,) = ask_of(tmp_path, completion(r'"half \ud83d and whole \ud83d\ude00"'))
    assert answer.text == r"half \ud83d and whole 😀"
    write_predictions([answer], tmp_path / "answers.parquet")
    assert read_answers(tmp_path / "answers.parquet")[0].text == answer.text


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0b", "\x1c"])
def test_an_answer_with_another_end_of_line_is_not_asked_again(tmp_path: Path, separator: str) -> None:
    with answer_log(tmp_path) as log:
        log.add(Answer("0", f"one{separator}two", "stop", 0.1, 1, 1))
    with answer_log(tmp_path) as log:
        assert log.finished["0"].text == f"one{separator}two"
