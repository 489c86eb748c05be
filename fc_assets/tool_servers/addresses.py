"""How a person names an MCP server: by the URL at which it answers, or by the command that starts it.

Connecting is `client`.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from fc_assets.errors import FcAssetsError

_PASSED_ON = ("HOME", "LANG", "LOGNAME", "PATH", "TERM", "TMPDIR", "USER")
"""What every server's process is given of our environment: no keys."""
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]*@")


@dataclass(frozen=True, slots=True)
class ToolServer:
    """One server. Either `url` or `argv` is set; `variables` of our environment are passed on to its process too."""

    url: str = ""
    argv: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """How messages call it: the address without a password, or the command."""
        return _CREDENTIALS.sub("", self.url) or shlex.join(self.argv)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of its process. Raises `FcAssetsError` for a variable that is not set here."""
        missing = [name for name in self.variables if name not in os.environ]
        if missing:
            raise FcAssetsError(f"The MCP server `{self.name}` asks for ${missing[0]}, which is not set: export it")
        return {name: os.environ[name] for name in (*_PASSED_ON, *self.variables) if name in os.environ}


def parse_server(text: str, variables: Sequence[str] = ()) -> ToolServer:
    """A server from what a person wrote. Raises `FcAssetsError` where that is neither a URL nor a command."""
    if "://" in text.split(" ")[0]:
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise FcAssetsError(f"{text!r} is no address of an MCP server: it must begin with http:// or https://")
        return ToolServer(url=text)
    try:
        argv = tuple(shlex.split(text))
    except ValueError as error:
        raise FcAssetsError(f"The MCP server's command {text!r} cannot be read ({error}): mend its quotes") from None
    if not argv:
        raise FcAssetsError("The command of an MCP server is empty: write the command that starts it, or its URL")
    return ToolServer(argv=argv, variables=tuple(variables))
