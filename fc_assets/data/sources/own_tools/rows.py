"""Rows for a user's own tools: one call, several, none, a question back, and what is asked afterwards.

Each row belongs to training, or is held out by its phrasing or by its tools; no question stands on both sides. Every
row is judged by the four rewards when it is read, and only one that earns all of them becomes an example. Sentences are
`requests`; which tools there are is `tool_list`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from fc_assets.calls.call import Call
from fc_assets.calls.prompts import answer_text
from fc_assets.calls.world.words import WORDS
from fc_assets.data.curation.gold import audit, audit_turns
from fc_assets.data.curation.irrelevance import content_words, tool_words
from fc_assets.data.rows.held_out import FLAG_HELD_OUT_TEMPLATE, FLAG_HELD_OUT_TOOL, FLAG_OWN_TOOLS, is_held_out
from fc_assets.data.rows.normal_query import later_questions, normal_query
from fc_assets.data.rows.normalise import Example, normalise_row
from fc_assets.data.rows.rejection import RowRejectedError
from fc_assets.data.rows.tools import ToolReader
from fc_assets.data.sources.hermes import read_hermes_row
from fc_assets.data.sources.own_tools import phrasings as said
from fc_assets.data.sources.own_tools.paraphrase import Paraphraser
from fc_assets.data.sources.own_tools.phrasings import Phrasing
from fc_assets.data.sources.own_tools.requests import OwnRequest, RequestedTool, draw_request, joined, phrased
from fc_assets.data.sources.own_tools.tool_list import OwnTools
from fc_assets.data.sources.own_tools.values import NoValueError
from fc_assets.data.sources.own_tools.wording import label_of, text_of
from fc_assets.data.sources.row_source import RawRow
from fc_assets.errors import FcAssetsError

IMPERFECT = "own row does not earn all four rewards"
NOT_DRAWN = "no arguments could be drawn from its schema"
_TRIES = 200
_RESULT = '{"status": "done"}'
_TURN_KINDS = {"one": 40, "parallel": 12, "several": 12, "irrelevant": 14, "ask": 14, "afterwards": 8}


def read_own_row(
    row: object, reader: ToolReader, *, fallback_id: str = "", source: str = "", licence: str = ""
) -> Example:
    """The example in one made row: xLAM's form, or Hermes' for a conversation, and its `flags`.

    Raises `RowRejectedError` for one whose expected calls do not earn all four rewards in full.
    """
    conversation = isinstance(row, dict) and "conversations" in row
    read = read_hermes_row if conversation else normalise_row
    example = read(row, reader, fallback_id=fallback_id, source=source, licence=licence)
    if example.turns:
        judged = audit_turns(example.tools, example.turns, coerce=False)
    else:
        judged = audit(example.tools, example.calls, coerce=False)
    if not judged.perfect:
        raise RowRejectedError(IMPERFECT, judged.cause)
    flags = row.get("flags", ()) if isinstance(row, dict) else ()
    return example._replace(flags=(*example.flags, *flags))


@dataclass(frozen=True, slots=True)
class _Side:
    """What the rows of one side are made of; `flags` say which side it is."""

    flags: tuple[str, ...]
    targets: tuple[RequestedTool, ...]
    others: tuple[RequestedTool, ...]
    phrasings: tuple[Phrasing, ...]
    joints: tuple[str, ...]
    off_topic: tuple[str, ...]


class RowMaker:
    """Makes rows without end; the same arguments make the same rows. Few questions repeat, if the tools allow it."""

    def __init__(
        self,
        own: OwnTools,
        seed: int,
        *,
        held_out_share: float,
        chinese_share: float,
        most_offered: int,
        paraphraser: Paraphraser | None = None,
    ) -> None:
        """`held_out_share` is the share of rows held out, half of them by phrasing and half by tools.

        Raises `FcAssetsError` where no request can be made for a side.
        """
        self._rng, self._paraphraser = random.Random(f"own tools:{seed}"), paraphraser
        self._held_out_share, self._chinese_share, self._most_offered = held_out_share, chinese_share, most_offered
        self._sides: dict[str, bool] = {}
        targets = [RequestedTool(tool) for tool in own.tools]
        drawn = {target.name for target in targets if _can_be_drawn(target)}
        self.refused = [
            *own.refused,
            *(RawRow("", n, target.tool, NOT_DRAWN) for n, target in enumerate(targets, 1) if target.name not in drawn),
        ]
        known = tuple(target for target in targets if target.name not in own.held_out)
        held_out = tuple(target for target in targets if target.name in own.held_out)
        train, held = (tuple(each for each in group if each.name in drawn) for group in (known, held_out))
        if not train or (held_out and not held):
            raise FcAssetsError(
                f"Of the {len(targets)} own tools none {'that is held out ' if train else ''}has a schema from which "
                "arguments can be drawn; add examples or an enum to their parameters"
            )
        self._train = _Side((FLAG_OWN_TOOLS,), train, known, said.PHRASINGS, said.JOINTS, said.OFF_TOPIC)
        phrased_anew = (said.HELD_OUT_PHRASINGS, said.HELD_OUT_JOINTS, said.HELD_OUT_OFF_TOPIC)
        self._held_out = [_Side((FLAG_OWN_TOOLS, FLAG_HELD_OUT_TEMPLATE), train, known, *phrased_anew)]
        if held:
            about = (said.PHRASINGS, said.JOINTS, said.OFF_TOPIC)
            self._held_out.append(_Side((FLAG_OWN_TOOLS, FLAG_HELD_OUT_TOOL), held, (*held_out, *known), *about))

    def rows(self) -> Iterator[RawRow]:
        """The refused tools, each with its reason, then rows. Raises `FcAssetsError` when none can be made."""
        yield from self.refused
        number = 0
        while True:
            number += 1
            yield RawRow("", number, {"id": f"own-{number}", **self._row()})

    def _row(self) -> dict[str, object]:
        held_out = self._rng.random() < self._held_out_share
        side = self._rng.choice(self._held_out) if held_out else self._train
        for _ in range(_TRIES):
            kind = self._rng.choices(list(_TURN_KINDS), list(_TURN_KINDS.values()))[0]
            make: Callable[[_Side], dict[str, object] | None] = getattr(self, f"_{kind}")
            try:
                row = make(side)
            except NoValueError:
                continue
            if row is not None and side is self._train:
                row = self._in_other_words(row)
            if row is not None and self._stays_on_its_side(row, side):
                return {**row, "flags": side.flags}
        raise FcAssetsError(f"In {_TRIES} attempts no row could be made for the own tools; describe their parameters")

    def _in_other_words(self, row: dict[str, object]) -> dict[str, object] | None:
        """The row, some of them with another wording; None where that loses a value or is not to be had."""
        calls, ask = row.get("answers"), self._paraphraser
        # Drawn in any case: the rows that follow are the same, whether or not the server may still be asked.
        drawn = self._rng.random()
        if not isinstance(calls, list) or not calls or ask is None or drawn >= ask.share:
            return row
        text = ask(str(row["query"]), [Call(call["name"], call["arguments"]) for call in calls])
        return None if text is None else {**row, "query": text}

    def _stays_on_its_side(self, row: dict[str, object], side: _Side) -> bool:
        """Whether none of the row's questions was asked on the other side before; if so they are this side's."""
        turns = row.get("conversations")
        asked = [str(row.get("query"))]
        if isinstance(turns, list):
            asked = [turn["value"] for turn in turns if turn["from"] == "human"]
        questions, held_out = [normal_query(asked[0]), *later_questions(asked[1:])], is_held_out(side.flags)
        if any(self._sides.get(question, held_out) is not held_out for question in questions):
            return False
        self._sides.update(dict.fromkeys(questions, held_out))
        return True

    def _one(self, side: _Side) -> dict[str, object]:
        target = self._rng.choice(side.targets)
        return self._single(side, [draw_request(self._rng, target, self._phrasing(side))], [target])

    def _parallel(self, side: _Side) -> dict[str, object] | None:
        target, phrasing = self._rng.choice(side.targets), self._phrasing(side)
        first, second = (draw_request(self._rng, target, phrasing) for _ in range(2))
        # Asked for the very same thing twice, one call would be as right as two.
        return None if first.call == second.call else self._single(side, [first, second], [target])

    def _several(self, side: _Side) -> dict[str, object] | None:
        if len(side.targets) == 1:
            return None
        first, second = self._rng.sample(side.targets, 2)
        phrasing = self._phrasing(side)
        requests = [draw_request(self._rng, target, phrasing) for target in (first, second)]
        return self._single(side, requests, [first, second])

    def _irrelevant(self, side: _Side) -> dict[str, object] | None:
        """A question that is nobody's business, or another tool's: offered is nothing that shares a word with it."""
        if self._rng.random() < 0.5:
            pattern = self._rng.choice(side.off_topic)
            text = pattern.format(**{name: self._rng.choice(pool) for name, pool in WORDS.items()})
            words = content_words(text)
        else:
            target = self._rng.choice(side.targets)
            text = draw_request(self._rng, target, self._phrasing(side)).text
            words = content_words(text) | tool_words(f"[{target.read.json}]")
        # Of the side's own tools: a held-out question with known tools only would be held out by nothing.
        foreign = [each for each in side.targets if not tool_words(f"[{each.read.json}]") & words]
        if not foreign:
            return None
        offered = self._rng.sample(foreign, min(len(foreign), self._rng.randint(1, self._most_offered)))
        return {"query": text, "tools": [each.tool for each in offered], "answers": []}

    def _ask(self, side: _Side) -> dict[str, object] | None:
        """A required argument is missing: the assistant asks for it, and calls when it is told."""
        target, phrasing = self._rng.choice(side.targets), self._phrasing(side)
        if not target.to_ask_for:
            return None
        call, missing = target.draw_call(self._rng), self._rng.choice(target.to_ask_for)
        stated = {name: value for name, value in call.arguments.items() if name != missing}
        label, value = label_of(missing), text_of(call.arguments[missing], chinese=phrasing.chinese)
        question = (said.ASKS_CHINESE if phrasing.chinese else said.ASKS).format(label=label)
        turns = [
            ("human", phrased(self._rng, target, phrasing, stated)),
            ("gpt", question),
            ("human", self._rng.choice((value, f"{label} {value}"))),
            ("gpt", answer_text([call])),
        ]
        return self._conversation(side, turns, [target])

    def _afterwards(self, side: _Side) -> dict[str, object]:
        """A request, its result, and another one."""
        target, phrasing = self._rng.choice(side.targets), self._phrasing(side)
        turns: list[tuple[str, str]] = []
        for _ in range(2):
            request = draw_request(self._rng, target, phrasing)
            turns += [("human", request.text), ("gpt", answer_text([request.call])), ("tool", _RESULT)]
            turns.append(("gpt", said.SAYS_CHINESE if phrasing.chinese else said.SAYS))
        return self._conversation(side, turns, [target])

    def _single(self, side: _Side, requests: Sequence[OwnRequest], needed: list[RequestedTool]) -> dict[str, object]:
        chinese = not requests[0].text.isascii()
        text = joined(self._rng, [each.text for each in requests], said.JOINTS_CHINESE if chinese else side.joints)
        calls = [each.call.as_dict() for each in requests]
        return {"query": text, "tools": self._offered(side, needed), "answers": calls}

    def _conversation(
        self, side: _Side, turns: list[tuple[str, str]], needed: list[RequestedTool]
    ) -> dict[str, object]:
        conversations = [{"from": speaker, "value": text} for speaker, text in turns]
        return {"conversations": conversations, "tools": self._offered(side, needed)}

    def _offered(self, side: _Side, needed: list[RequestedTool]) -> list[object]:
        """The tools that are needed among others, in any order."""
        others = [each for each in side.others if each not in needed]
        most = max(0, self._most_offered - len(needed))
        offered = [*needed, *self._rng.sample(others, self._rng.randint(0, min(most, len(others))))]
        self._rng.shuffle(offered)
        return [each.tool for each in offered]

    def _phrasing(self, side: _Side) -> Phrasing:
        chinese = self._rng.random() < self._chinese_share
        return self._rng.choice([each for each in side.phrasings if each.chinese == chinese])


def _can_be_drawn(target: RequestedTool) -> bool:
    try:
        target.draw_call(random.Random(target.name))
    except NoValueError:
        return False
    return True
