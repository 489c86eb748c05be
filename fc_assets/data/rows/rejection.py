"""Why a row goes into quarantine. Which rows do is decided by those who read them."""

from __future__ import annotations


class RowRejectedError(ValueError):
    """A row that goes into quarantine. `reason` is short and countable, `detail` says what was found."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail
