"""An MCP server written with the official library: `python mcp_server.py [PORT]`, over stdio or streamable HTTP."""

from __future__ import annotations

import os
import sys
import time

from mcp.server import MCPServer
from mcp_types import ToolAnnotations

server = MCPServer("shop")
DELETED: list[str] = []
READ_ONLY = ToolAnnotations(read_only_hint=True)


@server.tool(annotations=READ_ONLY)
def get_weather(city: str, days: int = 1) -> str:
    """Get the weather of a city"""
    return f"It rains in {city} for {days} days."


@server.tool(annotations=READ_ONLY)
def add_numbers(a: float, b: float) -> float:
    """Add two numbers"""
    return a + b


@server.tool(annotations=READ_ONLY)
def read_log(lines: int) -> str:
    """Read the last lines of the log"""
    return "a line of the log\n" * lines


@server.tool(annotations=READ_ONLY)
def show_variable(name: str) -> str:
    """Show a variable of the environment"""
    return os.environ.get(name, "none")


@server.tool(annotations=ToolAnnotations(destructive_hint=True))
def delete_note(title: str) -> str:
    """Delete a note"""
    DELETED.append(title)
    return f"{len(DELETED)} deleted: {title}"


@server.tool(annotations=READ_ONLY)
def wait_for(seconds: float) -> str:
    """Wait for some seconds"""
    time.sleep(seconds)
    return "done"


@server.tool(annotations=READ_ONLY)
def fail_always() -> str:
    """Fail whatever is asked"""
    raise ValueError("the shop is on fire")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        server.run("streamable-http", port=int(sys.argv[1]))
    else:
        server.run()
