"""The questions of the Berkeley Function Calling Leaderboard, so that none of them is trained on.

They are read as plain files from the environment that holds bfcl-eval; nothing of it is imported. Without that
environment there are none, and the caller says so.
"""

from __future__ import annotations

import json
from pathlib import Path

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.bfcl_environment import candidates

_DATA = "lib/python*/site-packages/bfcl_eval/data"
_FILES = "BFCL_v4_*.json"
_NO_QUESTIONS = frozenset({"BFCL_v4_format_sensitivity.json"})


def installed_questions(python: str) -> list[str] | None:
    """The questions in the environment of `python` (empty: where it usually is); None if bfcl-eval is not there."""
    folder = questions_folder(python)
    return None if folder is None else read_questions(folder)


def questions_folder(python: str) -> Path | None:
    """The folder of bfcl-eval's questions in the environment of `python` (empty: where it usually is), if any."""
    found = (folder for chosen in candidates(python) for folder in sorted(chosen.parent.parent.glob(_DATA)))
    return next(found, None)


def read_questions(folder: Path) -> list[str]:
    """Every user message of every question file, in order, repeats left out."""
    found: dict[str, None] = {}
    for file in sorted(folder.glob(_FILES)):
        if file.name in _NO_QUESTIONS:
            continue
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            try:
                turns = json.loads(line)["question"]
                found.update((m["content"], None) for turn in turns for m in turn if m["role"] == "user")
            except (ValueError, KeyError, TypeError) as error:
                raise FcAssetsError(
                    f"{file} line {number} is no BFCL question ({error!r}); install bfcl-eval again, or set "
                    "data.curation.bfcl to keep"
                ) from None
    if not found:
        raise FcAssetsError(f"{folder} holds no questions; install bfcl-eval again, or set data.curation.bfcl to keep")
    return list(found)
