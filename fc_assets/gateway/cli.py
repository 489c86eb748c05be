"""`fc-assets mcp ask|serve`: a question to the policy with the tools of MCP servers, and the policy as an MCP server.

What is asked and answered is `loop` and `own_server`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from fc_assets.calls.call import Call
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.json_files import json_text
from fc_assets.foundation.presentation.terminal import printable
from fc_assets.gateway.loop import LoopBounds, converse, declines
from fc_assets.gateway.offer import OfferedTool, gather
from fc_assets.gateway.policy import EndpointPolicy, GgufPolicy, Policy
from fc_assets.gateway.transcript import Ended, Transcript
from fc_assets.serving.server import connect
from fc_assets.tool_servers.addresses import parse_server
from fc_assets.tool_servers.client import NO_MCP, Bounds, connected

_BOUNDS, _SERVERS = LoopBounds(), Bounds()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `mcp ask` or `mcp serve`; 1 where the question found no answer. Raises `FcAssetsError`."""
    options = _parser().parse_args(arguments)
    if find_spec("mcp") is None:
        raise FcAssetsError(NO_MCP)
    if options.action == "serve":
        return _serve(options)
    transcript = asyncio.run(_ask(options))
    print(json.dumps(transcript.record(), indent=1) if options.json else printable("\n".join(transcript.lines())))
    return 0 if transcript.ended is Ended.ANSWERED else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fc-assets", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    mcp = commands.add_parser("mcp", help="the policy behind MCP", description=__doc__)
    actions = mcp.add_subparsers(dest="action", required=True)
    ask = actions.add_parser("ask", help="answer a question with the tools of MCP servers")
    ask.add_argument("question")
    ask.add_argument(
        "--server", action="append", required=True, help="a server's URL, or the command that starts it; repeatable"
    )
    ask.add_argument("--variable", action="append", default=[], help="environment variable for started servers")
    ask.add_argument("--allow", action="append", default=[], help="offer only this tool; repeatable")
    ask.add_argument("--turns", type=_count, default=_BOUNDS.turns, help="answers of the model (%(default)s)")
    ask.add_argument("--seconds", type=_seconds, default=_BOUNDS.seconds, help="in all (%(default)s)")
    ask.add_argument(
        "--result-chars", type=_count, default=_BOUNDS.result_chars, help="of a tool's result (%(default)s)"
    )
    ask.add_argument("--yes", action="store_true", help="call destructive tools without asking")
    ask.add_argument("--json", action="store_true", help="print the transcript as JSON")
    serve = actions.add_parser("serve", help="offer call_tool(question, tools) as an MCP server, over stdio")
    serve.add_argument("--port", type=_count, help="serve over HTTP on this port of 127.0.0.1 instead")
    serve.add_argument("--seconds", type=_seconds, default=60.0, help="for the model's answer (%(default)s)")
    for action in (ask, serve):
        model = action.add_mutually_exclusive_group(required=True)
        model.add_argument("--endpoint", help="an OpenAI-compatible server, its key in $FC_API_KEY")
        model.add_argument("--gguf", type=Path, help="a GGUF file")
        action.add_argument("--model", default="", help="which model of the endpoint, if it serves several")
        action.add_argument("--max-tokens", type=_count, default=512, help="of one answer (%(default)s)")
        action.add_argument("--context", type=_count, default=4096, help="for a GGUF file, tokens (%(default)s)")
        action.add_argument("--threads", type=_count, default=2, help="for a GGUF file (%(default)s)")
    return parser


def _count(text: str) -> int:
    """A whole number from 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} must be 1 or more")
    return value


def _seconds(text: str) -> float:
    """A time above 0 seconds."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} must be above 0")
    return value


def _policy(options: argparse.Namespace) -> Policy:
    if options.gguf:
        return GgufPolicy(options.gguf, context=options.context, threads=options.threads, max_tokens=options.max_tokens)
    return EndpointPolicy(connect(options.endpoint, options.model), options.max_tokens)


async def _ask(options: argparse.Namespace) -> Transcript:
    policy = _policy(options)
    servers = [parse_server(text, options.variable) for text in options.server]
    bounds = LoopBounds(turns=options.turns, seconds=options.seconds, result_chars=options.result_chars)
    async with contextlib.AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(connected(server, _SERVERS)) for server in servers]
        offer = await gather(connections, options.allow)
        confirm = (lambda tool, call: True) if options.yes else _ask_person if sys.stdin.isatty() else declines
        return await converse(options.question, offer, policy, bounds, confirm)


def _ask_person(tool: OfferedTool, call: Call) -> bool:
    shown = json_text(call.arguments)
    said = f"{tool.connection.server.name} may destroy something: {call.name} {shown}"
    print(printable(said), file=sys.stderr)
    return input("Call it? [y/N] ").strip().lower() in ("y", "yes")


def _serve(options: argparse.Namespace) -> int:
    from fc_assets.gateway.own_server import build_server

    server = build_server(_policy(options), options.seconds)
    if options.port:
        server.run("streamable-http", port=options.port)
    else:
        server.run("stdio")
    return 0
