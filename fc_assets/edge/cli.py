"""`fc-assets chat FILE.gguf --tools tools.json`: talk to a GGUF file in the terminal; its calls are shown and answered.

`python -m fc_assets.edge` has it too, and `adapter`, which writes a LoRA as a GGUF adapter.

What a call is answered with is decided in `chat`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from fc_assets.calls.call import Tool
from fc_assets.calls.tools.forms import tools_from_json
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.json_files import json_text
from fc_assets.foundation.presentation.terminal import console, printable
from fc_assets.profiles import EdgeSettings

if TYPE_CHECKING:
    from fc_assets.edge.chat import Chat

_PROMPT = "> "


def main(arguments: Sequence[str] | None = None) -> int:
    """Talk until the input ends, or answer --ask once; or write an adapter. Returns 0. Raises `FcAssetsError`."""
    parser = argparse.ArgumentParser(prog="fc-assets", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    chat = commands.add_parser("chat", help="ask a GGUF file in the terminal")
    chat.add_argument("file", type=Path, help="a GGUF file, such as policy-Q4_K_M.gguf")
    chat.add_argument("--tools", type=Path, help="JSON list of tools: OpenAI's form, or what an MCP server lists")
    chat.add_argument("--adapter", type=Path, help="a LoRA as a GGUF adapter, applied to the file")
    chat.add_argument("--ask", metavar="TEXT", help="say this, print the answers, and end")
    chat.add_argument("--context", type=int, default=EdgeSettings().context, help="tokens (default: %(default)s)")
    chat.add_argument("--max-tokens", type=int, default=EdgeSettings().max_tokens, help="of one answer")
    chat.add_argument("--threads", type=int, default=os.cpu_count(), help="no more than idle cores")
    adapter = commands.add_parser("adapter", help="write a LoRA as a GGUF adapter: one base file, many tools")
    adapter.add_argument("folder", type=Path, help="where peft saved the adapter")
    adapter.add_argument("out", type=Path, help="the GGUF file to write")
    options = parser.parse_args(arguments)
    if options.command == "adapter":
        from fc_assets.edge.conversion.adapter import write_adapter

        print(f"{options.out}: {write_adapter(options.folder, options.out)} matrices")
        return 0
    _talk(options, _read_tools(options.tools) if options.tools else [])
    return 0


def _read_tools(file: Path) -> list[Tool]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FcAssetsError(f"{file} cannot be read ({error}); name a JSON file with a list of tools") from error
    try:
        return list(tools_from_json(text))
    except FcAssetsError as error:
        raise FcAssetsError(f"{file}: {error}") from error


def _talk(options: argparse.Namespace, tools: Sequence[Tool]) -> None:
    from fc_assets.edge.chat import Chat
    from fc_assets.edge.measurement.llama_model import LlamaModel

    model = LlamaModel(options.file, context=options.context, threads=options.threads, adapter=options.adapter)
    chat, out = Chat(model, tools, max_tokens=options.max_tokens), console()
    if options.ask is not None:
        print_answers(chat, options.ask, out)
        return
    out.print(f"{options.file.name}, {len(tools)} tools; an empty line or Ctrl-D ends")
    while text := _line():
        print_answers(chat, text, out)


def _line() -> str:
    try:
        return input(_PROMPT if sys.stdin.isatty() else "").strip()
    except EOFError:
        return ""


def print_answers(chat: Chat, text: str, out: Console) -> None:
    """Say `text` in the chat and print each answer with its calls, their results and what it cost."""
    for reply, results in chat.say(text):
        for call, result in zip(reply.calls, results, strict=True):
            out.print(printable(f"call    {call.name}({json_text(call.arguments)[1:-1]})"), soft_wrap=True)
            out.print(printable(f"result  {json_text(result)}"), soft_wrap=True)
        if reply.malformed or not reply.calls:
            out.print(printable(reply.text), soft_wrap=True)
        if reply.malformed:
            out.print(f"({reply.malformed} calls could not be read)")
        speed = f", {reply.tokens_per_second:.0f} tokens/s" if reply.tokens_per_second else ""
        ending = ", cut at the limit" if reply.cut else ""
        out.print(
            f"        {reply.output_tokens} tokens, first after {reply.first_token_s * 1e3:.0f} ms{speed}{ending}",
            style="dim",
        )
