"""The rows of report.html in a real browser: filters, scrolling, and hostile answers that stay text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from fc_assets.calls.call import Call
from fc_assets.evaluation.answers import FAILED
from fc_assets.evaluation.report.build import build_report
from fc_assets.evaluation.report.origin import Origin
from fc_assets.evaluation.report.write import write_report
from fc_assets.evaluation.scoring import score_rows
from fc_assets.names import REPORT_HTML
from fc_assets_tests.support.browser import browser_page
from fc_assets_tests.support.scoring_rows import rows_with_errors
from fc_assets_tests.support.tools import WEIGHTS

pytestmark = [pytest.mark.browser, pytest.mark.slow]
ROWS = 300
HOSTILE = "</script><script>window.hit = 1</script><img src=x onerror='window.hit = 1'>{{ 7 * 7 }}"


@pytest.fixture(scope="module")
def frames() -> dict[str, pd.DataFrame]:
    """Two variants; the first row of each is hostile in every text that comes from a model or from the data."""
    made = {}
    for variant, share in {"base": 0.9, "sft": 0.3}.items():
        first, second, *rest = rows_with_errors(ROWS, share)
        tools = first.tools.replace('"description": "', f'"description": "{HOSTILE}', 1)
        first = replace(
            first, context=HOSTILE, tools=tools, text=HOSTILE, expected=(Call("find", {"what": HOSTILE}),), id=HOSTILE
        )
        made[variant] = score_rows([first, replace(second, text="", finish_reason=FAILED), *rest], WEIGHTS)
    return made


@pytest.fixture(scope="module")
def page(frames: dict[str, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("report")
    write_report(build_report(frames, WEIGHTS, samples=50), folder, Origin({"model": HOSTILE}, demo=True))
    with browser_page() as found:
        found.goto((folder / REPORT_HTML).as_uri())
        found.wait_for_selector("#rows-list .row")
        yield found


@pytest.fixture(autouse=True)
def all_rows(page: Any) -> None:
    """Each test begins with no filter set."""
    for name in ("variant", "change", "expected"):
        page.select_option(f"#rows-{name}", "")
    page.select_option("#rows-kind", "all")
    page.fill("#rows-text", "")


def shown(page: Any) -> int:
    return int(page.inner_text("#rows-count").split()[0])


def test_hostile_answers_are_text_and_nothing_is_asked_of_anybody(page: Any) -> None:
    page.click("#rows-list .row >> nth=0")
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    detail = page.inner_text("#rows-detail")
    assert detail.count(HOSTILE) >= 5, "question, tool, expected call and both answers"
    assert page.evaluate("window.hit") is None
    assert page.locator("#rows img, #rows script, header img, details img").count() == 0
    assert [url.partition(":")[0] for url in page.asked] == ["file"] and page.errors == []


def test_a_script_that_got_into_the_page_would_not_run_nor_ask_anybody(page: Any) -> None:
    """The policy of the page, should the escaping ever fail."""
    page.evaluate(
        """() => { const made = document.createElement('script'); made.textContent = 'window.hit = 2';
        document.body.append(made); const image = new Image(); image.src = 'http://127.0.0.1:9/x.png';
        document.body.append(image); }"""
    )
    assert page.evaluate("window.hit") is None
    refused = [said for said in page.errors if "Content Security Policy" in said]
    assert len(refused) == 2
    page.errors.clear()


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        ("kind:unreadable", {"cut", "malformed"}),
        ("kind:wrong name", {"unknown tool", "wrong tool"}),
        ("part:extra argument", {"extra argument"}),
        ("kind:no answer", {"no answer"}),
    ],
)
def test_rows_are_found_by_what_is_wrong_with_them(
    page: Any, frames: dict[str, pd.DataFrame], kind: str, parts: set[str]
) -> None:
    page.select_option("#rows-variant", "0")
    page.select_option("#rows-kind", kind)
    frame = frames["base"]
    has = frame["failures"].map(lambda text: any(f'["{part}",' in text for part in parts))
    wanted = frame["infrastructure_failure"] if "no answer" in parts else has
    assert shown(page) == wanted.sum() > 0
    assert f"({wanted.sum()})" in page.inner_text(f"#rows-kind option[value='{kind}']")


def test_calls_where_silence_was_right_are_a_kind_of_their_own(page: Any, frames: dict[str, pd.DataFrame]) -> None:
    page.select_option("#rows-variant", "1")
    page.select_option("#rows-kind", "kind:called when it should not")
    assert shown(page) == (frames["sft"]["over_called"] == 1).sum() > 0
    page.select_option("#rows-expected", "one call")
    assert shown(page) == 0
    assert "No row is like that" in page.inner_text("#rows-detail")


def test_rows_that_training_lost_and_won_are_found(page: Any, frames: dict[str, pd.DataFrame]) -> None:
    right = {name: frame["failures"].eq("[]") & ~frame["infrastructure_failure"] for name, frame in frames.items()}
    for change, wanted in (("lost", right["base"] & ~right["sft"]), ("won", right["sft"] & ~right["base"])):
        page.select_option("#rows-change", f"{change}:0:1")
        assert shown(page) == wanted.sum()
    assert shown(page) > 0


def test_of_many_rows_only_those_in_sight_are_elements(page: Any, frames: dict[str, pd.DataFrame]) -> None:
    assert shown(page) == ROWS
    assert page.locator("#rows-list .row").count() < 60
    page.evaluate("document.querySelector('#rows-list').scrollTop = 1e9")
    last = str(frames["base"]["id"].iloc[-1])
    page.wait_for_selector(f"#rows-list .row:has(.id:text-is('{last}'))")
    assert page.locator("#rows-list .row").count() < 60


def test_a_row_is_found_by_its_text_and_shows_every_answer(page: Any, frames: dict[str, pd.DataFrame]) -> None:
    row = frames["sft"].iloc[7]
    page.fill("#rows-text", str(row["context"]))
    assert shown(page) >= 1
    detail = page.inner_text("#rows-detail")
    assert row["context"] in detail and all(frame.iloc[7]["text"] in detail for frame in frames.values())
    assert "Base" in detail and "SFT" in detail


def test_the_page_says_what_it_is(page: Any) -> None:
    assert "Demo" in page.inner_text("#demo")
    assert HOSTILE in page.inner_text("header")
    assert "UTC" in page.inner_text("header") and "machine" in page.inner_text("header")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1440
