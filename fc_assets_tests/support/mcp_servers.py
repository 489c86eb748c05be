"""How tests start MCP servers: the official library's, and one that misbehaves."""

from __future__ import annotations

import contextlib
import shlex
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from fc_assets.foundation.child_processes import processes

_HERE = Path(__file__).parent
_SERVER = str(_HERE / "mcp_server.py")


def server_command() -> str:
    """The command that starts the well-behaved server over stdio."""
    return shlex.join([sys.executable, _SERVER])


def hostile_command(mode: str, file: Path | None = None) -> str:
    """The command that starts the server that misbehaves; it writes its process ids to `file`."""
    return shlex.join([sys.executable, str(_HERE / "hostile_mcp_server.py"), mode, *([str(file)] if file else [])])


@contextlib.contextmanager
def http_server(folder: Path) -> Iterator[str]:
    """The address of the well-behaved server over HTTP."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with processes.running("an MCP server", [sys.executable, _SERVER, str(port)], log=folder / "mcp.log") as child:
        for _ in range(300):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            assert child.returncode is None, child.log_tail()
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/mcp"
