"""Which loads make up the matrix.

Measuring one is in `cell_measurement`, keeping it in `resume`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fc_assets.errors import FcAssetsError
from fc_assets.load_test.load.generator import Load
from fc_assets.load_test.load.workload import answer_lengths
from fc_assets.profiles import BenchmarkSettings

MEASURED_PER_WORKER = 4
"""Each worker of a closed load sends at least so many measured requests; fewer would measure the start only."""

_SPREAD_S = 0.05

CellKind = Literal["closed", "open", "cancelled", "tools-free", "tools-constrained", "sessions"]


@dataclass(frozen=True, slots=True)
class MatrixCell:
    """One load of the matrix: `concurrency` or, for an open one, `rate`; loads of conversations have no fixed context.

    Of the sessions of a load the share `reuse` begin alike.
    """

    kind: CellKind
    context_length: int = 0
    concurrency: int = 0
    rate: float = 0.0
    reuse: float = 0.0

    @property
    def name(self) -> str:
        """Short, unique in the matrix, and fit for a file name."""
        size = f"rate{self.rate:g}" if self.kind == "open" else f"c{self.concurrency}"
        sessions = f"-reuse{self.reuse * 100:g}" if self.kind == "sessions" else ""
        return f"{self.kind}-{size}{sessions}" + (f"-ctx{self.context_length}" if self.context_length else "")

    def measured(self, settings: BenchmarkSettings) -> int:
        """How many of its requests count."""
        return max(settings.requests_per_cell, MEASURED_PER_WORKER * self.concurrency)

    def answer_lengths(self, settings: BenchmarkSettings) -> tuple[int, ...]:
        """Tokens of each answer, in turn; those of the measured ones have exactly the mean that the settings say."""
        return answer_lengths(settings.output_tokens, settings.output_spread, self.measured(settings), settings.seed)

    def load(self, settings: BenchmarkSettings, seed: int) -> Load:
        """How many requests, how fast."""
        return Load(
            measured=self.measured(settings),
            warmup=max(settings.warmup_requests, self.concurrency),
            concurrency=self.concurrency,
            rate=self.rate,
            spread_s=_SPREAD_S if self.concurrency > 1 else 0.0,
            seed=seed,
        )


def matrix_cells(settings: BenchmarkSettings, *, tools: bool, sessions: bool = False) -> list[MatrixCell]:
    """The cells of the chosen mode: closed ones, then open ones at the shortest context, then those of conversations.

    `tools` and `sessions` say whether there are such conversations to ask. These loads run at the SLO's concurrency;
    the full matrix has one of freely made tool calls at each of its levels, one of sessions for each share of reuse,
    and one whose client cancels requests.
    """
    full = settings.mode == "full"
    contexts = sorted(settings.context_lengths if full else settings.quick_context_lengths)
    levels = sorted(settings.concurrency if full else settings.quick_concurrency)
    if not contexts or not levels:
        raise FcAssetsError(
            f"The {settings.mode} matrix is empty: name at least one concurrency and one context length for it"
        )
    cells = [MatrixCell("closed", context, level) for context in contexts for level in levels]
    cells += [MatrixCell("open", contexts[0], rate=rate) for rate in sorted(settings.request_rates)]
    promised = settings.slo.at_concurrency
    if full and settings.cancel_share:
        cells.append(MatrixCell("cancelled", contexts[0], promised))
    if tools and settings.tool_call_tokens:
        asked = sorted({*levels, promised}) if full else [promised]
        cells += [MatrixCell("tools-free", concurrency=level) for level in asked]
        cells.append(MatrixCell("tools-constrained", concurrency=promised))
    if full and sessions and settings.tool_call_tokens:
        cells += [MatrixCell("sessions", concurrency=promised, reuse=share) for share in settings.session_reuse]
    return cells


def check_fit(cells: list[MatrixCell], settings: BenchmarkSettings, max_model_len: int | None) -> None:
    """Raise `FcAssetsError` when a prompt and its answer would not fit the server's context window."""
    longest = max(cell.context_length + max(cell.answer_lengths(settings)) for cell in cells)
    if max_model_len and longest > max_model_len:
        raise FcAssetsError(
            f"The longest cell needs {longest} tokens (context and output) but the server takes {max_model_len}: "
            "raise server.max_model_len or leave out that context length"
        )
