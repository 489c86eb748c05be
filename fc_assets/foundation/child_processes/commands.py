"""Short external commands (git, docker) and what they print.

Long-lived children belong to `fc_assets.foundation.child_processes.processes`.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.child_processes import processes


class CommandError(FcAssetsError):
    """A command could not be run, failed, or took too long; `output` is what it printed."""

    def __init__(self, message: str, output: str = "") -> None:
        super().__init__(message)
        self.output = output


def capture(
    argv: Sequence[str], *, timeout_s: float, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> str:
    """Run `argv` and return what it printed, standard error included. Raises `CommandError`.

    The command and whatever it starts are gone when this returns, also when the time is up.
    """
    shown = shlex.join(argv)
    with processes.temporary_folder("command") as folder:
        log = folder / "output"
        with processes.running(shown, argv, log=log, env=env, cwd=cwd) as child:
            try:
                code = child.wait(timeout_s)
            except TimeoutError:
                raise CommandError(f"`{shown}` did not end within {timeout_s:.0f} s", _text(log)) from None
        output = _text(log)
    if code != 0:
        ending = " | ".join(output.strip().splitlines()[-3:]) or "it printed nothing"
        raise CommandError(f"`{shown}` ended with status {code}: {ending}", output)
    return output


def _text(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
