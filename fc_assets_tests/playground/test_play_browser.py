"""The playground in a real browser: a row of the split, a question of one's own, and hostile answers that stay text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from fc_assets_tests.playground.conftest import HOSTILE, answering_for, fill_home, playing
from fc_assets_tests.support.browser import browser_page

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The page of a playground that runs while this module's tests do."""
    folder = tmp_path_factory.mktemp("playground")
    store = fill_home(folder / "home")
    with (
        browser_page() as found,
        answering_for(store, folder) as profile,
        playing(store.home, profile=str(profile)) as (_, url),
    ):
        found.goto(url)
        yield found


@pytest.fixture
def page(opened: Any) -> Any:
    """The page anew, once all engines are ready."""
    opened.errors.clear()
    opened.reload()
    opened.wait_for_selector("#column-grpo .state.ready")
    opened.wait_for_selector("#example option:nth-child(3)", state="attached")
    return opened


def ask(page: Any) -> None:
    page.click("#ask")
    page.wait_for_selector("#column-grpo .speed")
    page.wait_for_selector("#ask:not([disabled])")


def test_models_are_asked_a_row_of_the_split_side_by_side(page: Any) -> None:
    assert "GGUF is not there yet: materialise gguf_artifacts." in page.inner_text("#column-gguf")
    page.select_option("#example", "1")
    assert page.input_value("#question") == "Please lift 1."
    assert '{"name":"lift","arguments":{"n":1}}' in page.inner_text("#expected")
    ask(page)
    base, sft = page.inner_text("#column-base"), page.inner_text("#column-sft")
    assert "✗ parses" in base and "blocks that are no call: 1" in base and "lift it" in base
    assert "✓ exact" in sft and "checked by its stub" in sft and "5 tokens in" in sft and "tokens/s" in sft
    assert page.locator("#column-sft .result").inner_text() == '{"name":"lift","arguments":{"n":1}}'
    boxes = [page.locator(f"#column-{name}").bounding_box() for name in ("base", "sft", "grpo", "gguf")]
    assert len({box["y"] for box in boxes}) == 1 and boxes[-1]["x"] + boxes[-1]["width"] <= 1440
    assert page.errors == []


def test_a_question_and_tools_of_ones_own(page: Any) -> None:
    page.fill("#question", "Please lift 12.")
    assert page.input_value("#example") == "" and page.locator("#expected").is_hidden()
    tool = {"type": "function", "function": {"name": "lift", "parameters": {"n": {"type": "str"}}}}
    page.fill("#tools", json.dumps([tool]))
    ask(page)
    sft = page.inner_text("#column-sft")
    assert "exact" not in sft and "✗ schema" in sft and "n must be string" in sft


def test_tools_that_cannot_be_read_are_said_once(page: Any) -> None:
    page.fill("#tools", "[{")
    page.click("#ask")
    page.wait_for_selector("#said:not(:empty)")
    assert page.inner_text("#said").startswith("the tools must be JSON")
    assert page.locator(".column .answer > *").count() == 0


def test_an_mcp_server_that_is_not_there_is_said_and_the_tools_stay(page: Any) -> None:
    before = page.input_value("#tools")
    page.fill("#mcp", "http://127.0.0.1:9/mcp")
    page.click("#list")
    page.wait_for_selector("#said:not(:empty)")
    assert "could not be connected" in page.inner_text("#said")
    assert page.input_value("#tools") == before != ""


def test_hostile_answers_are_text_and_nothing_is_asked_of_anybody_else(page: Any) -> None:
    page.fill("#question", HOSTILE)
    ask(page)
    assert HOSTILE in page.locator("#column-sft .raw").inner_text()
    assert "window.hit" in page.locator("#column-sft .call").inner_text()
    assert page.evaluate("window.hit") is None
    assert page.locator("#columns img, #columns script").count() == 0
    assert all(url.startswith("http://127.0.0.1:") for url in page.asked)


def test_a_playground_that_has_ended_is_said(page: Any) -> None:
    page.route("**/api/ask", lambda route: route.abort())
    page.click("#ask")
    page.wait_for_selector("#column-base .wrong")
    said = page.inner_text("#column-base")
    page.unroute("**/api/ask")
    assert "not running any more; start it again" in said
