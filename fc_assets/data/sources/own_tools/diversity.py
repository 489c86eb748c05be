"""How different the rows for a user's own tools are, measured on the examples that were kept.

Whether that is enough is for a person to judge: the figures stand in the metadata of the raw table.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import orjson

from fc_assets.calls.call import Call, calls_from_json
from fc_assets.calls.unspaced import split_words
from fc_assets.data.rows.held_out import FLAG_OWN_TOOLS, is_held_out
from fc_assets.data.rows.normal_query import normal_query
from fc_assets.data.rows.normalise import Example


@dataclass
class Diversity:
    """What was counted. A tool's `values` are the different arguments of its calls, as JSON."""

    rows: int = 0
    held_out: int = 0
    questions: set[str] = field(default_factory=set)
    bigrams: Counter[tuple[str, str]] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    values: dict[str, set[bytes]] = field(default_factory=lambda: defaultdict(set))

    @property
    def distinct_questions(self) -> float:
        """Different questions by rows; compared in lower case without punctuation."""
        return len(self.questions) / max(1, self.rows)

    @property
    def distinct_2(self) -> float:
        """Different pairs of neighbouring words by all such pairs (distinct-2, Li et al. 2016)."""
        return len(self.bigrams) / max(1, self.bigrams.total())

    def by_tool(self) -> Iterator[dict[str, object]]:
        """A record for each tool that is called, the one with the most calls first."""
        for tool, calls in self.calls.most_common():
            yield {"tool": tool, "calls": calls, "different arguments": len(self.values[tool])}


def measure_diversity(examples: Iterable[Example]) -> Diversity:
    """The figures of the rows for own tools among `examples`; `rows` is 0 where there are none."""
    found = Diversity()
    for example in examples:
        if FLAG_OWN_TOOLS not in example.flags:
            continue
        found.rows += 1
        found.held_out += is_held_out(example.flags)
        found.questions.add(normal_query(example.query))
        words, grams = split_words(example.query.lower())
        found.bigrams.update(pairwise([*words, *grams]))
        for call in _calls(example):
            found.calls[call.name] += 1
            found.values[call.name].add(orjson.dumps(call.arguments, option=orjson.OPT_SORT_KEYS))
    return found


def _calls(example: Example) -> Iterator[Call]:
    texts = [example.calls]
    if example.turns:
        texts = [turn["value"] for turn in orjson.loads(example.turns) if turn["from"] == "function_call"]
    for text in texts:
        yield from calls_from_json(text)
