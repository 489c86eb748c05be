"""A peer that speaks no HTTP, never comes to an end, or answers nonsense: an OSError or a sentence, and in time."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from fc_assets.deployment.deploy import _busy
from fc_assets.deployment.probe import ProbeError, ask_canaries, healthy, served_names
from fc_assets.deployment.targets.stack import Stack
from fc_assets.errors import FcAssetsError
from fc_assets.evaluation.answers import Question
from fc_assets.evaluation.inference.engines import ServedModel
from fc_assets.foundation.artifacts import ArtifactStore
from fc_assets.profiles import DeploymentSettings, ServerSettings
from fc_assets.serving import bounded_http
from fc_assets.serving.endpoint import Endpoint
from fc_assets.serving.server import ServerError, connect
from fc_assets_tests.support.raw_server import raw_server

OK = b"HTTP/1.1 200 OK\r\n\r\n"
GARBAGE = {
    "nothing": b"",
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "bytes": bytes(range(256)) * 10,
    "a status that is no number": b"HTTP/1.1 \xb2\xb2\xb2 OK\r\n\r\n",
    "a length that is not kept": b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort",
    "a chunk that is none": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}",
    "an endless header": b"HTTP/1.1 200 OK\r\nA: " + b"a" * 100_000 + b"\r\n\r\n",
    "a thousand headers": b"HTTP/1.1 200 OK\r\n" + b"A: a\r\n" * 1000 + b"\r\n",
    "a refusal cut off": b"HTTP/1.1 500 No\r\nContent-Length: 1000\r\n\r\nshort",
}
NO_ANSWER = {
    "deep": OK + b'{"data": ' + b"[" * 100_000,
    "a list": OK + b"[]",
    "names that are none": OK + b'{"data": [1]}',
    "data that is none": OK + b'{"data": {"id": 1}}',
    "half a character": OK + b"\xff\xfe",
    "a number of 5,000 digits": OK + b'{"data": ' + b"9" * 5000 + b"}",
}


def _callers(folder: Path) -> dict[str, Callable[[str], object]]:
    """All that asks a peer, by its address, with what it makes of a bad one as its result."""
    question = Question("a", [{"role": "user", "content": "b"}])

    def release_header(url: str) -> object:
        settings = DeploymentSettings(port=int(url.rpartition(":")[2]))
        return Stack(ArtifactStore(folder), settings).release_header()

    return {
        "healthy": lambda url: healthy(Endpoint(url, "m")),
        "busy": lambda url: _busy(Endpoint(url, "m")),
        "names": lambda url: served_names(Endpoint(url, "m")),
        "connect": connect,
        "canary": lambda url: ask_canaries(Endpoint(url, "m"), [{"id": "a", "messages": [], "tools": []}], 5)[0].valid,
        "parity": lambda url: ServedModel(Endpoint(url, "m"), ServerSettings()).prompt_ids([question]),
        "release header": release_header,
    }


@pytest.mark.parametrize("caller", ["healthy", "busy", "names", "connect", "canary", "parity", "release header"])
@pytest.mark.parametrize("answer", [*GARBAGE.values(), *NO_ANSWER.values()], ids=[*GARBAGE, *NO_ANSWER])
def test_a_bad_peer_is_no_traceback(answer: bytes, caller: str, tmp_path: Path) -> None:
    with raw_server([answer]) as url:
        try:
            found = _callers(tmp_path)[caller](url)
        except (ProbeError, ServerError, FcAssetsError) as error:
            assert url.removeprefix("http://") in str(error) or "/v1/models" in str(error)
        else:
            assert found in (False, None, "") or (caller == "healthy" and b"200 OK" in answer)


@pytest.mark.parametrize("answer", GARBAGE.values(), ids=GARBAGE)
def test_what_is_no_http_is_an_os_error(answer: bytes) -> None:
    with raw_server([answer]) as url, pytest.raises(OSError):
        Endpoint(url, "m").get("/health")


@pytest.mark.parametrize("beginning", [b"", OK, b"HTTP/1.1 500 No\r\n\r\n"], ids=["head", "body", "refusal"])
def test_a_byte_at_a_time_does_not_hold_a_caller_longer_than_it_waits(beginning: bytes) -> None:
    pieces = [beginning, *([b"H"] * 200)]
    with raw_server(pieces, pause_s=0.05) as url:
        began = time.monotonic()
        with pytest.raises(OSError):
            Endpoint(url, "m").get("/health", timeout_s=0.3)
        assert time.monotonic() - began < 2


def test_an_answer_without_end_is_not_read_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_http, "MAX_ANSWER_BYTES", 1 << 20)
    with (
        raw_server([OK, *([b"a" * 65536] * 1000)]) as url,
        pytest.raises(bounded_http.BadAnswerError, match="more than 1 MiB"),
    ):
        Endpoint(url, "m").get("/metrics")


def test_a_whole_answer_comes_back_and_a_refusal_says_why() -> None:
    with raw_server([b"HTTP/1.1 200 OK\r\nX-Release: a\r\nContent-Length: 4\r\n\r\n", b"caf", b"\xc3"]) as url:
        answer = bounded_http.request(urllib.request.Request(f"{url}/"), timeout_s=5)
        assert (answer.body, answer.headers["X-Release"]) == (b"caf\xc3", "a")
    with raw_server([b"HTTP/1.1 422 No\r\n\r\n", b"too long" * 10_000]) as url:
        with pytest.raises(urllib.error.HTTPError) as caught:
            Endpoint(url, "m").post("/v1/chat/completions", {})
        assert caught.value.code == 422 and caught.value.read().startswith(b"too longtoo")


def test_a_length_of_the_model_that_is_none_is_left_out() -> None:
    with raw_server([OK, b'{"data": [{"id": "m", "max_model_len": "long"}], "version": 7}']) as url:
        assert connect(url).info.max_model_len is None
