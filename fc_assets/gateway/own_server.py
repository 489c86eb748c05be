"""An MCP server of our own with one tool, `call_tool`: which calls the policy would make. It executes nothing.

Its tools come with each question, from whoever asks: they are refused as those of a server would be. The client's side
is `loop`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fc_assets.calls.parse import parse_strict
from fc_assets.calls.tools.untrusted import without_marks
from fc_assets.data.rows.rejection import RowRejectedError
from fc_assets.data.rows.tools import read_untrusted_tool
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.json_files import writable
from fc_assets.gateway.offer import MAX_OFFERED
from fc_assets.gateway.policy import Policy
from fc_assets.gateway.verdicts import verdicts_on

if TYPE_CHECKING:
    from mcp.server import MCPServer

MAX_QUESTION_CHARS = 20_000
_ABOUT = (
    "Ask the function-calling policy which of the given tools answer the question. Tools may be in OpenAI's, MCP's or "
    "xLAM's form. Nothing is executed: the calls come back, each with what its schema says of it."
)


def chosen_calls(policy: Policy, question: str, tools: list[dict[str, Any]], timeout_s: float) -> dict[str, Any]:
    """The policy's calls with their verdicts, its words, and the tools that were refused, as JSON data.

    Raises `FcAssetsError` where the question is too long, no tool can be offered, or the policy fails.
    """
    if len(question) > MAX_QUESTION_CHARS:
        raise FcAssetsError(f"The question has {len(question)} characters, at most {MAX_QUESTION_CHARS} are read")
    if len(tools) > MAX_OFFERED:
        raise FcAssetsError(f"{len(tools)} tools are too many for one prompt; send at most {MAX_OFFERED}")
    offered, refused = [], []
    for number, tool in enumerate(tools, 1):
        try:
            offered.append(json.loads(read_untrusted_tool(tool).json))
        except RowRejectedError as error:
            refused.append({"tool": number, "reason": error.reason})
    if not offered:
        raise FcAssetsError("None of the tools can be offered; send tools with a plain name and a JSON Schema")
    text = policy.answer([{"role": "user", "content": without_marks(question)}], offered, timeout_s)
    parsed = parse_strict(text)
    verdicts = verdicts_on(parsed.calls, offered)
    return {
        "calls": [
            {**call.as_dict(), "verdict": str(verdict)} for call, verdict in zip(parsed.calls, verdicts, strict=True)
        ],
        "malformed": parsed.malformed,
        "text": writable(text),
        "refused_tools": refused,
    }


def build_server(policy: Policy, timeout_s: float) -> MCPServer:
    """The MCP server that offers `call_tool`; the caller runs it."""
    from mcp.server import MCPServer

    server = MCPServer("fc-assets")

    def call_tool(question: str, tools: list[dict[str, Any]]) -> dict[str, Any]:
        return chosen_calls(policy, question, tools, timeout_s)

    server.tool(description=_ABOUT)(call_tool)
    return server
