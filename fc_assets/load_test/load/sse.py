"""Server-sent events out of a byte stream, however the network cut it. Only the wire format is known here.

The format is that of the HTML standard (section "Server-sent events", parsing an event stream), of which `data` fields
are all that completion servers use: other fields are skipped.
"""

from __future__ import annotations

from fc_assets.errors import FcAssetsError

MAX_PENDING_BYTES = 4 << 20
"""An event larger than this is no completion event; the stream is broken or hostile."""


class EventTooLargeError(FcAssetsError):
    """A single event exceeded `MAX_PENDING_BYTES`."""


class EventReader:
    """Collects bytes and gives back the data of each event that is complete.

    What follows the last complete event is thrown away with the reader, as the standard wants it.
    """

    __slots__ = ("_pending", "_started")

    def __init__(self) -> None:
        self._pending = b""
        self._started = False

    def feed(self, received: bytes) -> list[bytes]:
        """The data of the events that `received` completes, in order; an event without data gives nothing."""
        block = self._pending + received if self._pending else received
        if not self._started and block:
            if len(block) < 3 and b"\xef\xbb\xbf".startswith(block):
                self._pending = block
                return []
            block = block.removeprefix(b"\xef\xbb\xbf")
            self._started = True
        if b"\r" in block:
            # A carriage return at the very end may be half of a CRLF: leave it for the next piece.
            held = b"\r" if block.endswith(b"\r") else b""
            block = block[: len(block) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        else:
            held = b""
        *complete, rest = block.split(b"\n\n")
        self._pending = rest + held
        if len(self._pending) > MAX_PENDING_BYTES:
            raise EventTooLargeError(
                f"The server sent an event of more than {MAX_PENDING_BYTES} bytes; it does not speak this protocol"
            )
        return [data for event in complete if (data := _data_of(event)) is not None]


def _data_of(event: bytes) -> bytes | None:
    if event.startswith(b"data: ") and b"\n" not in event:
        return event[6:]
    lines = [
        line[5:].removeprefix(b" ") if line[4:5] == b":" else b""
        for line in event.split(b"\n")
        if line.startswith(b"data:") or line == b"data"
    ]
    return b"\n".join(lines) if lines else None
