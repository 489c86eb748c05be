"""A null server for as long as a block needs it: what a client measures against it is the client itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def null_server(tokens: int, *flags: str) -> Iterator[str]:
    """Its URL. An answer has `tokens` tokens; `flags` are further ones of `fc_assets.load_test.load.null_server`."""
    argv = [sys.executable, "-m", "fc_assets.load_test.load.null_server", "--chunks", str(tokens), *flags]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()
