"""Messages reach real receivers, a receiver that fails stops no other, and no address is ever shown."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from fc_assets.notifications import sending
from fc_assets.notifications.messages import Message
from fc_assets.notifications.sending import URLS_VARIABLE, addresses, send
from fc_assets_tests.support.raw_server import raw_server
from fc_assets_tests.support.receivers import SECRET, Received, mail_server, webhook

FAILED = Message("gate failed", "fc_assets: gate failed: eval_report:gate", "3 < 4 & more\nRun 1.")
PROMOTED = Message("promoted", "fc_assets: promoted: release abc", "Every gate passed.\nRun 2.")


@pytest.fixture(autouse=True)
def shown(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Whatever a test does: no secret in any log, at the finest level, nor on the terminal.

    Seen red in each test here: apprise and urllib3 write out hosts and paths as soon as their loggers are heard.
    """
    caplog.set_level(1)
    yield
    logged = [record.getMessage() + str(record.exc_info) for record in caplog.get_records("call")]
    assert SECRET not in "".join(logged) + "".join(capfd.readouterr())


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_webhook_is_sent_title_text_and_severity() -> None:
    with webhook() as hook:
        assert send([FAILED, PROMOTED], [hook.url]) == []
        assert hook.received == [
            Received(FAILED.title, FAILED.text, "failure"),
            Received(PROMOTED.title, PROMOTED.text, "success"),
        ]


def test_a_mail_is_sent_with_its_title_as_the_subject() -> None:
    with mail_server() as mail:
        assert send([FAILED], [mail.url]) == []
        (received,) = mail.received
    assert received.title == FAILED.title
    assert received.text.splitlines() == FAILED.text.splitlines()


def test_a_receiver_that_refuses_is_named_by_its_number_and_stops_no_other() -> None:
    with webhook(status=403) as refusing, webhook() as hook, mail_server(refuses=True) as mail:
        problems = send([FAILED, PROMOTED], [refusing.url, hook.url, mail.url])
        assert hook.titles() == [FAILED.title, PROMOTED.title]
    assert sorted(problem.split(":")[0] for problem in problems) == [
        f"Address {number} in {URLS_VARIABLE} did not take the message 'fc_assets" for number in (1, 3)
    ]
    assert SECRET not in str(problems)


def test_a_receiver_that_is_down_is_reported_without_its_address(closed_port: int) -> None:
    with webhook() as hook:
        down = f"json://somebody:{SECRET}@127.0.0.1:{closed_port}/{SECRET}"
        (problem,) = send([FAILED], [down, hook.url])
        assert hook.titles() == [FAILED.title]
    assert problem.startswith(f"Address 1 in {URLS_VARIABLE} did not take the message")
    assert SECRET not in problem and "127.0.0.1" not in problem


@pytest.mark.parametrize(
    "wrong", [SECRET, f"nothing://{SECRET}@host/{SECRET}", f"slack://{SECRET}", f"mailto://{SECRET}"]
)
def test_a_wrong_address_is_reported_without_it(wrong: str) -> None:
    with webhook() as hook:
        (problem,) = send([FAILED], [hook.url, wrong])
        assert hook.titles() == [FAILED.title]
    assert problem.startswith(f"Address 2 in {URLS_VARIABLE} is none that apprise can use")
    assert SECRET not in problem


def test_a_receiver_that_never_answers_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "MESSAGE_SECONDS", 0.5)
    answer = threading.Event()
    with webhook(wait=answer) as hanging, webhook() as hook:
        began = time.monotonic()
        (problem,) = send([FAILED, PROMOTED, PROMOTED], [hanging.url, hook.url])
        assert time.monotonic() - began < 4
        assert hook.titles() == [FAILED.title, PROMOTED.title, PROMOTED.title]
        answer.set()
    assert problem.startswith("Address 1 ")


@pytest.mark.parametrize(
    "answer",
    [[b"SSH-2.0-OpenSSH\r\n"], [b"HTTP/1.1 200 OK\r\nA: "] * 500, [b"H"] * 500],
    ids=["no HTTP", "head", "drip"],
)
def test_a_receiver_that_speaks_no_http_or_a_byte_at_a_time_is_left_alone(
    answer: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "MESSAGE_SECONDS", 0.5)
    with raw_server(answer, pause_s=0.02) as url, webhook() as hook:
        began = time.monotonic()
        (problem,) = send([FAILED, PROMOTED], [url.replace("http", "json"), hook.url])
        assert time.monotonic() - began < 4
        assert hook.titles() == [FAILED.title, PROMOTED.title]
    assert problem.startswith("Address 1 ")


def test_there_is_an_end_to_all_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "ALL_SECONDS", 0.0)
    with webhook() as hook:
        assert len(send([FAILED], [hook.url])) == 1
        assert hook.received == []


def test_addresses_are_separated_by_spaces_or_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(URLS_VARIABLE, " slack://a/b/c\nmailtos://d \n")
    assert addresses() == ["slack://a/b/c", "mailtos://d"]
    monkeypatch.delenv(URLS_VARIABLE)
    assert addresses() == []
