"""The reverse proxy's configuration: which paths exist, who may use them, and which engine answers.

Everything not listed in `templates/nginx.conf.j2` does not exist for a client: vLLM's key leaves several of its paths
open, so the engines are not published at all. Rendering and keys belong here, running the proxy to `targets`.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from fc_assets.deployment.engine import ENGINE_PORT, Colour, engine_service
from fc_assets.foundation.presentation.templates import render_template

PROXY_PORT = 8080
CONNECTIONS = 8192
"""Connections of each of the proxy's processes, a client's and its engine's counted; idle ones take about 1 KB."""
ALIVE_PATH = "/-/alive"
"""Answered by the proxy itself, whether a release serves or not."""
ACTIVE_FILE = "active.conf"
CONFIG_FILE = "nginx.conf"
RELEASE_HEADER = "X-FC-Release"
OPERATOR_PREFIX = "/-"
"""Below it each engine is asked by its colour, with the operator's key: so a release is probed before it serves."""

_TEMPLATES = Path(__file__).parent / "templates"


def render_config() -> str:
    """The proxy's main configuration, the same for every release."""
    return render_template(
        _TEMPLATES / f"{CONFIG_FILE}.j2",
        active_file=ACTIVE_FILE,
        alive_path=ALIVE_PATH,
        proxy_port=PROXY_PORT,
        engine_port=ENGINE_PORT,
        release_header=RELEASE_HEADER,
        operator_prefix=OPERATOR_PREFIX,
        connections=CONNECTIONS,
    )


def render_active(colour: Colour | None, release: str) -> str:
    """The part that says which engine serves: that of `colour`, or none."""
    engine = engine_service(colour) if colour else ""
    return render_template(_TEMPLATES / f"{ACTIVE_FILE}.j2", engine=engine, release=release[:16])


def ensure_keys(folder: Path) -> None:
    """Make the users' key, the operator's key and Grafana's password, once; existing ones are kept.

    The folder is closed to other users of this machine. The two files that containers read are readable inside it,
    since the containers run as users of their own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    keys = {role: _ensure_key(folder / f"{role}_key", 0o600) for role in ("api", "operator")}
    _ensure_key(folder / "grafana_password", 0o644)
    lines = f'"Bearer {keys["api"]}" user;\n"Bearer {keys["operator"]}" operator;\n'
    _write_private(folder / "keys.map", lines, 0o644)


def _ensure_key(file: Path, mode: int) -> str:
    if not file.is_file():
        _write_private(file, secrets.token_hex(32) + "\n", mode)  # hex: nginx compares without regard to case
    return file.read_text(encoding="ascii").strip()


def _write_private(file: Path, text: str, mode: int) -> None:
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(handle, "w", encoding="ascii") as stream:
        stream.write(text)
    file.chmod(mode)
