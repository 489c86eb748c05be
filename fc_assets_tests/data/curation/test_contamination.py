"""A benchmark's questions are found in other words, and questions that were made without it are left alone."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from fc_assets.data.curation.bfcl_questions import installed_questions
from fc_assets.data.curation.contamination import BenchmarkQuestions
from fc_assets.data.rows.normal_query import normal_query
from fc_assets.data.sources.profile_sources import row_sources
from fc_assets.profiles import DataSettings

POLITE = ("please", "can you help me", "thank you very much", "i would really appreciate it if you could do that today")
LONG_ENOUGH = 30  # characters of a question that is compared by its 4-grams
QUESTION = "what is the area of a triangle with base of 10 units and height of 5 units"


@pytest.mark.parametrize(
    ("text", "repeats"),
    [
        (QUESTION, True),
        (QUESTION.replace("triangle", "rectangle"), True),
        (QUESTION.replace("units", "metres"), True),
        (f"hello there my friend {QUESTION} and please be quick about it since i am in a hurry", True),
        ("what is the volume of a sphere of radius 4", False),
        ("book a table for four people in rome tomorrow evening", False),
        ("", False),
    ],
)
def test_a_question_in_other_words(text: str, repeats: bool) -> None:
    assert BenchmarkQuestions([QUESTION, "book a table"]).repeated_in([text]) == [repeats]


def test_a_short_question_counts_only_word_for_word() -> None:
    found = BenchmarkQuestions(["book a table", QUESTION]).repeated_in(["book a table", "book a table for two in rome"])
    assert found == BenchmarkQuestions(["book a table"]).repeated_in(["book a table", "book a table for two in rome"])
    assert found == [True, False]


def test_a_script_without_spaces_is_compared_like_others() -> None:
    question = normal_query("请帮我查询一下明天上午从北京飞往上海的航班信息并且按照价格从低到高排序谢谢")
    other = normal_query("今天北京的天气怎么样会不会下雨我需要带伞出门吗")
    assert BenchmarkQuestions([question]).repeated_in([question.replace("上海", "广州"), other]) == [True, False]


def test_without_questions_nothing_is_found() -> None:
    assert BenchmarkQuestions([]).repeated_in(["anything"]) == [False]


@pytest.fixture(scope="module")
def leaderboard() -> list[str]:
    questions = installed_questions("")
    if questions is None:
        pytest.skip("bfcl-eval is not installed; make setup installs it")
    return sorted({normal_query(question) for question in questions})


def exchanged(count: int) -> Callable[[str, random.Random, list[str]], str]:
    """Exchanges that many words of a question for words of other questions."""

    def edit(question: str, chance: random.Random, others: list[str]) -> str:
        words = question.split()
        for place in chance.sample(range(len(words)), min(count, len(words))):
            words[place] = chance.choice(others)
        return " ".join(words)

    return edit


def politely(question: str, chance: random.Random, _: list[str]) -> str:
    polite = chance.choice(POLITE)
    return f"{question} {polite}" if chance.random() < 0.5 else f"{polite} {question}"


def politely_exchanged(question: str, chance: random.Random, others: list[str]) -> str:
    return politely(exchanged(2)(question, chance, others), chance, others)


@pytest.mark.parametrize("edit", [exchanged(1), exchanged(2), politely, politely_exchanged])
def test_at_least_95_of_100_edited_questions_are_found(leaderboard: list[str], edit) -> None:
    chance = random.Random(0)
    others = " ".join(leaderboard).split()
    long = [question for question in leaderboard if len(question) >= LONG_ENOUGH]
    assert len(long) > 0.9 * len(leaderboard)
    texts = [edit(question, chance, others) for question in chance.sample(long, 1000)]
    assert sum(BenchmarkQuestions(leaderboard).repeated_in(texts)) >= 950


def test_at_most_one_of_100_other_questions_is_taken_for_one(leaderboard: list[str]) -> None:
    rows = row_sources(DataSettings(source="generator", rows=3000, broken_rows=0), [])[0].rows
    texts = sorted({normal_query(row.value["query"]) for row in rows if isinstance(row.value, dict)})
    assert sum(BenchmarkQuestions(leaderboard).repeated_in(texts)) <= 0.01 * len(texts)
