"""Rows whose tools cannot answer the question, made from rows whose tools can.

Trained on calls alone, a model forgets to refuse: these rows teach it. A question keeps its words and is offered the
tools of another row that share no content word with it, nor with the tools that would have answered.
"""

from __future__ import annotations

import random
from collections import deque

import orjson

from fc_assets.calls.control_text import holds_control_text
from fc_assets.calls.unspaced import split_words
from fc_assets.data.rows.held_out import is_held_out
from fc_assets.data.rows.normalise import Example
from fc_assets.data.rows.tools import FLAG_CONTROL_TEXT

FLAG_MADE = "irrelevance_made"
_POOL = 256
_TRIES = 24
_SHORTEST_WORD = 4
_COMMON = frozenset(
    "about and based data default does fetch find following for from gets given have information list many more name "
    "number optional please provide provided retrieve retrieves return returns show specified that their them this "
    "using value what when where which will with want would your".split()
)
_COMMON_GRAMS = frozenset(
    # Chinese: query, fetch, information, return, given, user, provide, data, name, list, search, I want, help me, what
    "查询 获取 信息 返回 指定 用户 提供 数据 名称 列表 搜索 可以 我想 帮我 请帮 请问 什么 一个 一下 需要 使用 "
    # Japanese: fetch, search, information, given; endings of verbs and what is said out of politeness
    "取得 検索 情報 指定 する した して ます です ださ さい くだ てく ている から まで この その".split()
)


class IrrelevanceMaker:
    """Makes a row after each one with probability `rate`, decided by the seed and the row's id."""

    def __init__(self, rate: float, seed: int) -> None:
        self.rate, self.seed = rate, seed
        self._offers: deque[tuple[str, frozenset[str]]] = deque(maxlen=_POOL)

    def after(self, example: Example) -> Example | None:
        """The same question with foreign tools, or None; remembers the row's tools for later questions."""
        if self.rate <= 0 or example.calls == "[]" or example.turns or is_held_out(example.flags):
            return None  # tools that are held out may be offered to no other question
        chance = random.Random(f"{self.seed}:{example.id}")
        words = tool_words(example.tools)
        made = None
        if chance.random() < self.rate:
            avoided = words | content_words(example.query)
            for _ in range(min(_TRIES, len(self._offers))):
                tools, offered = chance.choice(self._offers)
                if not offered & avoided:
                    flags = (FLAG_MADE, *((FLAG_CONTROL_TEXT,) if holds_control_text((example.query, tools)) else ()))
                    made = example._replace(id=f"{example.id}-irrelevant", tools=tools, calls="[]", flags=flags)
                    break
        self._offers.append((example.tools, words))
        return made


def missing_rate(share: float, rows: int, no_call: int) -> float:
    """The rate at which rows with calls must be repeated so that `share` of all rows expect no call."""
    if share >= 1 or rows <= no_call:
        return 0.0
    wanted = share * (rows - no_call) / (1 - share)
    return min(1.0, max(0.0, (wanted - no_call) / (rows - no_call)))


def tool_words(tools: str) -> frozenset[str]:
    """The content words of the names and descriptions in a JSON list of tools."""
    return frozenset().union(*(content_words(f"{tool['name']} {tool['description']}") for tool in orjson.loads(tools)))


def content_words(text: str) -> frozenset[str]:
    """The content words of a text; where a script puts no space between words, the n-grams that hold one."""
    words, grams = split_words(text)
    found = {word.lower() for word in words}
    return frozenset(word for word in found if len(word) >= _SHORTEST_WORD).union(grams) - _COMMON - _COMMON_GRAMS
