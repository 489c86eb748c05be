"""One reading of one answer. Rewards, metrics and failure taxonomy are all taken from it, so they cannot drift.

What they make of it belongs to `rewards`, `metrics` and `evaluation.taxonomy`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fc_assets.calls.call import Call, Tool
from fc_assets.calls.match import Match, match_calls
from fc_assets.calls.parse import Parsed, parse_strict
from fc_assets.calls.tools.toolset import ToolSet, compile_tools


@dataclass(frozen=True, slots=True)
class Judgement:
    """An answer under the strict reading. `executed` says for each emitted call whether its stub returned."""

    tools: ToolSet
    expected: tuple[Call, ...]
    parsed: Parsed
    match: Match
    executed: tuple[bool, ...]

    @property
    def parse_ok(self) -> bool:
        """Nothing malformed and, where calls are expected, at least one."""
        return not self.parsed.malformed and (not self.expected or bool(self.parsed.calls))

    @property
    def names_ok(self) -> bool:
        """The multiset of names is the expected one; a malformed block is a call whose name nobody can read."""
        return not self.parsed.malformed and self.match.names_equal

    @property
    def exact(self) -> bool:
        """Names and arguments all agree, and nothing is malformed."""
        return not self.parsed.malformed and self.match.perfect


def judge(text: str, tools: Sequence[Tool] | str, expected: Sequence[Call]) -> Judgement:
    """Read `text` strictly and compare it with the tools (a list or its JSON text) and the expected calls.

    Never raises for any `text`; raises FcAssetsError if a tool is malformed.
    """
    compiled = compile_tools(tools)
    parsed = parse_strict(text)
    return Judgement(
        tools=compiled,
        expected=tuple(expected),
        parsed=parsed,
        match=match_calls(parsed.calls, expected, compiled),
        executed=tuple(compiled.executes(call) for call in parsed.calls),
    )
