"""Finished cells of a matrix that has not ended, kept so that a killed server costs one cell and not the night.

The caller names one folder for each model, machine and setting. Cells older than `MAX_AGE_S` are measured again: the
machine may have changed since. What a cell holds is in `cell_measurement`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fc_assets.load_test.matrix.cell_measurement import CellResult
from fc_assets.load_test.matrix.cells import MatrixCell

MAX_AGE_S = 12 * 3600


@dataclass(frozen=True)
class ResumeFolder:
    """The finished cells of one matrix."""

    path: Path

    def load(self, cell: MatrixCell) -> CellResult | None:
        """The kept result of that cell, if there is one that is whole and young enough."""
        file = self._file(cell)
        if not file.is_file() or time.time() - file.stat().st_mtime > MAX_AGE_S:
            return None
        try:
            kept: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            return CellResult(cell, kept["figures"], kept["requests"], kept["reconciliation"])
        except (ValueError, KeyError, TypeError, RecursionError):  # a power cut may leave an empty file
            return None

    def keep(self, result: CellResult) -> None:
        """Store a finished cell in one step."""
        self.path.mkdir(parents=True, exist_ok=True)
        file = self._file(result.cell)
        unfinished = file.with_suffix(f".{os.getpid()}.tmp")
        unfinished.write_text(json.dumps(asdict(result)), encoding="utf-8")
        unfinished.replace(file)

    def _file(self, cell: MatrixCell) -> Path:
        return self.path / f"{cell.name}.json"
