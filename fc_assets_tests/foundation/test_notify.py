"""Notifications reach a real HTTP server, never raise, and never show the address."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from fc_assets.foundation.notify import WEBHOOK_VARIABLE, notify
from fc_assets_tests.support.lineage import Home
from fc_assets_tests.support.webhook import Body, receiving


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Body]]:
    with receiving() as webhook:
        monkeypatch.setenv(WEBHOOK_VARIABLE, webhook.url)
        yield webhook.bodies


def test_an_event_is_posted(received: list[Body]) -> None:
    assert notify("rolled back", "release abc", "the canary questions failed") == ""
    assert received == [
        {
            "text": "fc_assets: rolled back: release abc\nthe canary questions failed",
            "event": "rolled back",
            "subject": "release abc",
            "detail": "the canary questions failed",
        }
    ]


def test_without_an_address_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(WEBHOOK_VARIABLE, raising=False)
    assert notify("promoted", "release abc") == ""


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/secret", "not an address"])
def test_a_failure_is_told_without_the_address(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv(WEBHOOK_VARIABLE, address)
    said = notify("deployed", "release abc")
    assert WEBHOOK_VARIABLE in said
    assert address not in said


def test_a_promotion_and_a_failed_gate_are_told(tmp_path: Path, received: list[Body]) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        home = Home(tmp_path, instance)
        home.run()
        home.promote()
        home.failing = {"eval_report"}
        home.judge("eval_report")
        home.promote()
    assert [body["event"] for body in received] == ["promoted", "gate failed"]
    assert "eval_report:gate failed" in received[1]["detail"]
