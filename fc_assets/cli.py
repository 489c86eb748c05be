"""`fc-assets COMMAND`: everything that runs without Dagster's page, each command in its own room.

Choosing the room belongs here, and nothing else: a room's `cli` module parses the rest of the command line.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.filesystem.refusals import said_in_words

_STACK = "fc_assets.deployment.cli"
_MAINTENANCE = "fc_assets.maintenance.cli"
_LOAD_TEST = "fc_assets.load_test.cli"
COMMANDS = {
    "demo": ("fc_assets.demo", "materialise the whole graph and print the tables"),
    "doctor": (_MAINTENANCE, "say what on this machine prevents which step, and what to do"),
    "rehearse": ("fc_assets.rehearsal.cli", "try a profile out on this machine: memory, speed, hours"),
    "score": ("fc_assets.evaluation.cli", "the evaluation report for any file of predictions"),
    "bench": (_LOAD_TEST, "load-test a running OpenAI-compatible server"),
    "capacity": (_LOAD_TEST, "find the highest load that a running server takes for an SLO"),
    "replay": (_LOAD_TEST, "put a recorded trace on a running server"),
    "ramp": (_LOAD_TEST, "put a load on a running server whose rate rises"),
    "compare": (_LOAD_TEST, "say whether one run of bench is slower than another"),
    "chat": ("fc_assets.edge.cli", "ask a GGUF file in the terminal, its calls shown and answered"),
    "mcp": ("fc_assets.gateway.cli", "answer with the tools of MCP servers, or be one"),
    "up": (_STACK, "serve the release on record again, or the latest promoted one"),
    "down": (_STACK, "stop the serving stack"),
    "status": (_STACK, "say what serves"),
    "rollback": (_STACK, "serve the release that served before"),
    "play": ("fc_assets.playground.cli", "ask the models that were made, side by side, in the browser"),
    "gc": (_MAINTENANCE, "list what nobody needs in the artefact home, or delete it"),
}
"""Each command: the module whose `main` takes the command line, and what it does."""


def usage() -> str:
    """The commands, one a line."""
    lines = [f"  {name:<10}{said}" for name, (_, said) in COMMANDS.items()]
    return "\n".join(["usage: fc-assets COMMAND ...; fc-assets COMMAND --help says more", *lines])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; an unknown one prints the list and returns 2."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] in ("-h", "--help"):
        print(usage())
        return 0
    if not given or given[0] not in COMMANDS:
        print(usage(), file=sys.stderr)
        return 2
    try:
        # Imported by name: each command brings libraries that the others do without.
        with said_in_words(Path.cwd(), f"`fc-assets {given[0]}`"):
            return int(import_module(COMMANDS[given[0]][0]).main(given))
    except FcAssetsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
