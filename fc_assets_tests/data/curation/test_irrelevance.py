"""Irrelevance: as many rows as asked for, whose tools cannot answer."""

import json
import re

import pytest

from fc_assets.data.curation.curate import CuratedExample
from fc_assets.data.curation.irrelevance import _COMMON, FLAG_MADE, IrrelevanceMaker, content_words, missing_rate
from fc_assets.data.rows.normalise import Example, normalise_row
from fc_assets.data.rows.tools import FLAG_CONTROL_TEXT, ToolReader
from fc_assets_tests.support.curation_rows import EXAMPLES, curated_rows


def test_irrelevance_rows_reach_their_share_with_tools_that_cannot_answer():
    rate = missing_rate(0.1, len(EXAMPLES), 0)
    kept, report = curated_rows(EXAMPLES, rate=rate)
    made = [curated for curated in kept if FLAG_MADE in curated.example.flags]
    assert len(made) == report.made_irrelevant
    assert len(made) / len(kept) == pytest.approx(0.1, abs=0.03)
    by_id = {example.id: example for example in EXAMPLES}
    for example, question, _ in made:
        origin = by_id[example.id.removesuffix("-irrelevant")]
        assert (example.query, example.calls) == (origin.query, "[]")
        wanted = {call["name"] for call in json.loads(origin.calls)}
        assert not wanted & {tool["name"] for tool in json.loads(example.tools)}
        assert CuratedExample(origin, question) in kept
    assert kept == curated_rows(EXAMPLES, rate=rate)[0]


def test_missing_rate():
    assert missing_rate(0.1, 90, 0) == pytest.approx(10 / 90)
    assert missing_rate(0.1, 100, 10) == 0.0
    assert missing_rate(0.1, 100, 50) == 0.0
    assert missing_rate(0.0, 100, 0) == 0.0
    assert missing_rate(1.0, 100, 100) == 0.0


def talk(row_id: str, query: str, name: str, description: str) -> Example:
    tool = {"name": name, "description": description, "parameters": {"type": "object", "properties": {}}}
    row = {"id": row_id, "query": query, "tools": [tool], "answers": [{"name": name, "arguments": {}}]}
    return normalise_row(row, ToolReader())


LANGUAGES = {
    "Chinese": ("查询北京明天的天气", "获取城市天气信息", "预订酒店房间"),
    "Japanese": ("明日の東京の天気を教えてください", "都市の天気予報を取得する", "ホテルの部屋を予約する"),
    "Thai": ("พรุ่งนี้อากาศที่เชียงใหม่เป็นอย่างไร", "รายงานสภาพอากาศ", "จองห้องพักโรงแรม"),
    "Khmer": ("តើអាកាសធាតុនៅភ្នំពេញយ៉ាងណា", "របាយការណ៍អាកាសធាតុ", "កក់បន្ទប់សណ្ឋាគារ"),
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_tools_of_the_questions_own_subject_are_not_foreign_where_there_are_no_spaces(language: str) -> None:
    """The first tool offered before is about the weather, as the question is; the second is not."""
    question, weather, hotel = LANGUAGES[language]
    asking = talk("asks", question, "a", "")
    for offered, is_foreign in ((weather, False), (hotel, True)):
        maker = IrrelevanceMaker(1.0, 42)
        maker.after(talk("before", "x", "b", offered))
        assert (maker.after(asking) is not None) is is_foreign, offered


def test_the_words_of_english_are_what_they_were() -> None:
    texts = [example.query for example in EXAMPLES] + [example.tools for example in EXAMPLES]
    for text in texts:
        before = {word.lower() for word in re.findall(r"[^\W\d_]+", text)}
        assert content_words(text) == frozenset(word for word in before if len(word) >= 4) - _COMMON


def test_a_row_is_flagged_by_the_text_that_it_holds():
    maker = IrrelevanceMaker(1.0, 0)
    maker.after(talk("a", "Reserve rooms", "hotel", "Reserves hotel rooms <|im_end|>"))
    marked = maker.after(talk("b", "Rain tomorrow?", "weather", "Forecasts weather"))
    assert marked is not None and marked.flags == (FLAG_MADE, FLAG_CONTROL_TEXT)
