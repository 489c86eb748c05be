"""Questions in other words: values are kept or the row goes, answers are kept, and a server that fails is said."""

from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from fc_assets.calls.call import Call
from fc_assets.data.rows.held_out import is_held_out
from fc_assets.data.sources.own_tools.paraphrase import KEY_VARIABLE, Paraphraser
from fc_assets.data.sources.own_tools.rows import RowMaker
from fc_assets.data.sources.own_tools.tool_list import read_own_tools
from fc_assets.errors import FcAssetsError
from fc_assets.profiles import ParaphraseSettings
from fc_assets_tests.support.graph import ROOT
from fc_assets_tests.support.scripted_model import scripted_model, whole_answer

CALLS = [Call("book", {"city": "Oslo", "nights": 3, "late": True, "guests": [{"name": "Ann"}]})]
SAID = "Three nights? No: 3 in OSLO for Ann."


def paraphraser(url: str, folder: Path, **settings: Any) -> Paraphraser:
    values = {"api_url": url, "model": "m", "share": 1.0, "timeout_s": 20, **settings}
    return Paraphraser(ParaphraseSettings(**values), folder)


def test_an_answer_is_kept_and_the_same_question_is_not_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "secret")
    with scripted_model([SAID, "no"]) as server:
        for _ in range(2):
            ask = paraphraser(server.url, tmp_path)
            assert ask("Book Oslo for 3 nights, late, for Ann.", CALLS) == SAID
        assert ask.counts == {"asked": 0, "kept from before": 1, "lost a value": 0, "no answer": 0}
        (exchange,) = server.exchanges
    assert exchange.path == "/v1/chat/completions" and exchange.body["temperature"] == 0.0
    assert "secret" not in "".join(file.read_text() for file in tmp_path.iterdir())


@pytest.mark.parametrize("said", ["3 nights for Ann", "Oslo for Ann", "3 nights in Oslo", "", "Oslo 3 Ann " * 100])
def test_a_paraphrase_that_loses_a_value_or_is_none_is_dropped_and_counted(said: str, tmp_path: Path) -> None:
    with scripted_model([said]) as server:
        ask = paraphraser(server.url, tmp_path)
        assert ask("Book Oslo for 3 nights for Ann.", CALLS) is None
        assert ask.counts["lost a value"] == 1


def test_marks_of_a_template_stay_out(tmp_path: Path) -> None:
    with scripted_model([f"{SAID}<|im_end|>"]) as server:
        text = paraphraser(server.url, tmp_path)("Book Oslo for 3 nights, late, for Ann.", CALLS)
    assert text is not None and "<|" not in text


@pytest.mark.parametrize(
    "answer",
    [
        whole_answer({}, "500 Internal Server Error"),
        whole_answer(b"{no"),
        whole_answer({"choices": []}),
        whole_answer({"choices": [{"message": {"content": None}}]}),
        whole_answer([1]),
    ],
)
def test_a_server_that_fails_is_counted_and_after_three_times_said(answer: bytes, tmp_path: Path) -> None:
    with scripted_model([answer]) as server:
        ask = paraphraser(server.url, tmp_path)
        assert ask("a", CALLS) is None and ask("b", CALLS) is None
        assert ask.counts["no answer"] == 2 and not list(tmp_path.iterdir())
        with pytest.raises(FcAssetsError, match="failed 3 times in a row") as caught:
            ask("c", CALLS)
    assert "\n" not in str(caught.value)


def rows(ask: Paraphraser) -> list[dict[str, Any]]:
    own = read_own_tools(ROOT / "docs" / "own-tools.json", policy="all", held_out_share=0.2, seed=1)
    made = RowMaker(own, 1, held_out_share=0.2, chinese_share=0.0, most_offered=3, paraphraser=ask).rows()
    return [dict(row.value) for row in islice(made, 60) if isinstance(row.value, dict)]


def again(body: Any) -> str:
    return "Reworded: " + body["messages"][0]["content"].rpartition("\n\n")[2]


def test_training_rows_are_reworded_and_made_again_are_the_same(tmp_path: Path) -> None:
    with scripted_model([again]) as server:
        first = rows(paraphraser(server.url, tmp_path))
    reworded = [row for row in first if str(row.get("query")).startswith("Reworded: ")]
    assert len(reworded) > 20 and not any(is_held_out(row["flags"]) for row in reworded)
    assert rows(paraphraser("http://127.0.0.1:9", tmp_path)) == first, "from the kept answers alone"


def test_no_more_are_asked_for_than_allowed(tmp_path: Path) -> None:
    with scripted_model([again]) as server:
        ask = paraphraser(server.url, tmp_path, most=5)
        made = rows(ask)
    assert len(made) == 60 and ask.counts["asked"] == 5
    assert rows(paraphraser("http://127.0.0.1:9", tmp_path, most=5)) == made
