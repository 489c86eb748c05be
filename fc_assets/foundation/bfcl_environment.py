"""Where the environment that holds bfcl-eval is: one of its own, since its pins clash with the rest.

Both the data stage, which keeps the leaderboard's questions out of training, and the evaluation, which runs its
checker, look here. What they do with it does not belong here.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

PYTHON_VARIABLE = "FC_BFCL_PYTHON"
_DEFAULT = Path(".venv-bfcl/bin/python")


def candidates(setting: str) -> list[Path]:
    """The Pythons that may have bfcl-eval, in order: the first that exists is used.

    The setting, else `$FC_BFCL_PYTHON`, else `.venv-bfcl` in the working directory or beside the environment that runs
    this.
    """
    if chosen := setting or os.environ.get(PYTHON_VARIABLE, ""):
        return [Path(chosen).absolute()]
    return [_DEFAULT.absolute(), Path(sys.prefix).parent / _DEFAULT]
