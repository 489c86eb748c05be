"""The server's half of a WebSocket (RFC 6455), as far as port forwarding needs it: whole binary frames."""

from __future__ import annotations

import base64
import hashlib
import http.server
import struct
from collections.abc import Iterator
from typing import BinaryIO

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_BINARY, _CLOSE = 2, 8


def accept(handler: http.server.BaseHTTPRequestHandler, protocol: str) -> None:
    """Answer the handshake; the client must have offered this protocol."""
    assert protocol in handler.headers["Sec-WebSocket-Protocol"]
    key = handler.headers["Sec-WebSocket-Key"] + _GUID
    handler.send_response(101)
    handler.send_header("Upgrade", "websocket")
    handler.send_header("Connection", "Upgrade")
    handler.send_header("Sec-WebSocket-Protocol", protocol)
    handler.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
    handler.end_headers()


def send(out: BinaryIO, data: bytes, opcode: int = _BINARY) -> None:
    """Write one frame."""
    size = len(data)
    length = bytes([size]) if size < 126 else b"\x7e" + struct.pack(">H", size)
    if size > 0xFFFF:
        length = b"\x7f" + struct.pack(">Q", size)
    out.write(bytes([0x80 | opcode]) + length + data)
    out.flush()


def close(out: BinaryIO) -> None:
    """Say that no more comes."""
    send(out, struct.pack(">H", 1000), _CLOSE)


def frames(source: BinaryIO) -> Iterator[bytes]:
    """The binary frames that a client sends, until it closes."""
    while head := source.read(2):
        opcode, size = head[0] & 0x0F, head[1] & 0x7F
        if size == 126:
            (size,) = struct.unpack(">H", source.read(2))
        elif size == 127:
            (size,) = struct.unpack(">Q", source.read(8))
        mask = source.read(4)
        data = bytes(byte ^ mask[index % 4] for index, byte in enumerate(source.read(size)))
        if opcode == _CLOSE:
            return
        if opcode == _BINARY:
            yield data
