"""A user's own tools, read from a file in any form that tools come in; and which of them are held out.

What cannot be used is kept with its reason, so that it reaches the quarantine. A single tool's forms are read by
`rows.tools`; how a server is asked for its list is `list_tools_job`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from fc_assets.calls.tools.forms import listed_tools
from fc_assets.data.rows.parameters import RequiredPolicy
from fc_assets.data.rows.rejection import RowRejectedError
from fc_assets.data.rows.tools import MAX_TOOLS, ReadTool, read_untrusted_tool
from fc_assets.data.sources.row_source import RawRow
from fc_assets.errors import FcAssetsError

MAX_FILE_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class OwnTools:
    """The tools that can be used, in order; the names of those that are held out; what was refused, with its reason."""

    tools: tuple[ReadTool, ...]
    held_out: frozenset[str]
    refused: tuple[RawRow, ...] = ()


def read_own_tools(file: Path, *, policy: RequiredPolicy, held_out_share: float, seed: int) -> OwnTools:
    """The tools in a JSON file: OpenAI's list, xLAM's, or the result of MCP's `tools/list`.

    Which are held out follows from the seed and their names. Raises `FcAssetsError` where the file holds no list, no
    tool that can be used, more than `MAX_TOOLS`, or too few to hold any out.
    """
    listed = _listed(file)
    if len(listed) > MAX_TOOLS:
        raise FcAssetsError(f"{file} lists {len(listed)} tools, at most {MAX_TOOLS} are read: leave out some of them")
    tools: dict[str, ReadTool] = {}
    refused: list[RawRow] = []
    for number, value in enumerate(listed, 1):
        try:
            tool = read_untrusted_tool(value, policy)
            if tool.name in tools:
                raise RowRejectedError("tool is listed twice", tool.name)
        except RowRejectedError as error:
            refused.append(RawRow(str(file), number, value, error.reason))
            continue
        tools[tool.name] = tool
    if not tools:
        reasons = ", ".join(dict.fromkeys(row.problem for row in refused)) or "the list is empty"
        raise FcAssetsError(f"{file} lists no tool that can be used ({reasons}); mend it")
    return OwnTools(tuple(tools.values()), _held_out(file, list(tools), held_out_share, seed), tuple(refused))


def _listed(file: Path) -> list[object]:
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise FcAssetsError(f"{file} is larger than {MAX_FILE_BYTES >> 20} MiB; leave only the tools in it")
        value = json.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise FcAssetsError(f"The tools in {file} cannot be read ({error.strerror}); correct the path") from error
    except (ValueError, RecursionError) as error:
        raise FcAssetsError(f"{file} is not JSON ({error}); export the list of tools again") from error
    tools = listed_tools(value)
    if not isinstance(tools, list):
        raise FcAssetsError(f'{file} holds no list of tools; it must be a JSON list, or {{"tools": [...]}}')
    return tools


def _held_out(file: Path, names: list[str], share: float, seed: int) -> frozenset[str]:
    if share == 0:
        return frozenset()
    count = max(1, round(share * len(names)))
    if len(names) - count < 2:
        raise FcAssetsError(
            f"{file} has {len(names)} tools that can be used, too few to hold {count} of them out of training: add "
            "tools, or set data.own_tools.held_out_tools to 0"
        )
    return frozenset(sorted(names, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())[:count])
