"""Local files of rows, read as a stream: .json, .jsonl (plain, .gz or .zst), .parquet, or a folder of them.

Memory does not grow with the file. A line of a .jsonl file that cannot be read becomes a row with a problem, so that it
reaches the quarantine; a file that cannot be read as a whole raises `FcAssetsError` naming file and line. What a row
must hold is checked in `rows`.
"""

from __future__ import annotations

import codecs
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import orjson

from fc_assets.data.sources.row_source import RawRow
from fc_assets.errors import FcAssetsError

MAX_ROW_BYTES = 16 << 20
SUFFIXES = (".json", ".jsonl", ".parquet", ".json.gz", ".jsonl.gz", ".json.zst", ".jsonl.zst")
_OTHER_TABLES = (".csv", ".tsv", ".xlsx", ".xls", ".arrow", ".feather", ".csv.gz")
"""Kinds of rows that are not read: beside files that are, nobody would miss them."""
_ROW_KEYS = ("query", "conversations")
_CHUNK = 1 << 20
_SHOWN_BYTES = 2000
_WHITE = " \t\r\n"


def read_files(path: Path) -> Iterator[RawRow]:
    """The rows of a file, or of every file of a known kind below a folder, in the order of their names."""
    for file in _files(path):
        empty = True
        for row in _read(file):
            empty = False
            yield row
        if empty:
            raise FcAssetsError(f"{file} holds no rows; remove it, or export it again")


def _files(path: Path) -> list[Path]:
    if path.is_file():
        if not path.name.endswith(SUFFIXES):
            raise FcAssetsError(f"{path} is of no kind that can be read; it must end in one of {', '.join(SUFFIXES)}")
        return [path]
    if not path.is_dir():
        raise FcAssetsError(f"There is no file or folder {path}; set data.path to the rows in xLAM's form")
    files = sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
    for file in files:
        if file.name.endswith(_OTHER_TABLES):
            raise FcAssetsError(
                f"{file} is of no kind that can be read; convert it to one of {', '.join(SUFFIXES)}, or remove it"
            )
    found = [file for file in files if file.name.endswith(SUFFIXES)]
    if not found:
        raise FcAssetsError(f"{path} holds no file of rows; they must end in one of {', '.join(SUFFIXES)}")
    return found


def _read(file: Path) -> Iterator[RawRow]:
    if file.suffix == ".parquet":
        yield from _parquet(file)
        return
    line = 1
    try:
        with _opened(file) as stream:
            rows = _rows(file, stream, _first_byte(file, stream))
            for row in rows:
                line = row.line
                yield row
    except (EOFError, gzip.BadGzipFile, zlib.error, OSError) as error:
        raise FcAssetsError(f"{file} is cut off or damaged behind line {line} ({error}); fetch it again") from error


def _rows(file: Path, stream: io.BufferedReader, start: bytes) -> Iterator[RawRow]:
    if ".jsonl" in file.suffixes:
        if start == b"[":
            raise FcAssetsError(f"{file} holds a JSON array and not a row a line; name it .json")
        return _lines(file, stream)
    return _array(file, stream) if start == b"[" else _not_wrapped(file, _lines(file, stream))


def _not_wrapped(file: Path, rows: Iterator[RawRow]) -> Iterator[RawRow]:
    """The rows of a .json file that has one in each line. Raises where it is one object around all of them."""
    for row in rows:
        if row.line == 1:
            _expect_row(file, row)
        yield row


def _expect_row(file: Path, first: RawRow) -> None:
    value = first.value
    if first.problem and not str(value).rstrip().endswith("}"):
        raise FcAssetsError(f"{file} is one JSON object over several lines; export the list of rows by itself")
    if isinstance(value, dict) and not any(key in value for key in _ROW_KEYS):
        for key, inner in value.items():
            if isinstance(inner, list) and inner and all(isinstance(each, dict) for each in inner):
                raise FcAssetsError(f"{file} holds its rows under the key {key!r}; export that list by itself")


def _opened(file: Path) -> io.BufferedReader:
    if file.suffix == ".gz":
        return io.BufferedReader(gzip.open(file), _CHUNK)
    if file.suffix == ".zst":
        import pyarrow as pa

        return io.BufferedReader(pa.input_stream(str(file), compression="zstd"), _CHUNK)
    return io.BufferedReader(file.open("rb", buffering=0), _CHUNK)


def _first_byte(file: Path, stream: io.BufferedReader) -> bytes:
    """The first byte that is no white space; the stream is left behind a UTF-8 byte order mark, if there is one."""
    head = stream.peek(_CHUNK)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise FcAssetsError(f"{file} line 1 is written in UTF-16; convert the file to UTF-8")
    if head.startswith(codecs.BOM_UTF8):
        stream.read(len(codecs.BOM_UTF8))
        head = head[len(codecs.BOM_UTF8) :]
    return head.lstrip()[:1]


def _lines(file: Path, stream: IO[bytes]) -> Iterator[RawRow]:
    name, number = str(file), 0
    while line := stream.readline(MAX_ROW_BYTES):
        number += 1
        if len(line) == MAX_ROW_BYTES and not line.endswith(b"\n"):
            while (rest := stream.readline(_CHUNK)) and not rest.endswith(b"\n"):
                pass  # leave the rest of the line unread without holding it
            yield RawRow(name, number, _shown(line), f"line is longer than {MAX_ROW_BYTES >> 20} MiB")
            continue
        try:
            yield RawRow(name, number, orjson.loads(line))
        except orjson.JSONDecodeError as error:
            if line.isspace():
                continue
            yield RawRow(name, number, _shown(line), _why_unreadable(line, error))


def _why_unreadable(line: bytes, error: orjson.JSONDecodeError) -> str:
    try:
        line.decode()
    except UnicodeDecodeError:
        return "line is not UTF-8"
    return "line ends early" if "unexpected end" in str(error).lower() else "line is not JSON"


def _shown(line: bytes) -> str:
    return line[:_SHOWN_BYTES].decode("utf-8", "replace")


class _Text:
    """Decoded text of a stream, of which only the part not yet consumed is held; counts lines."""

    def __init__(self, file: Path, stream: IO[bytes]) -> None:
        self.file, self.stream = file, stream
        self.decoder = codecs.getincrementaldecoder("utf-8")()
        self.held, self.at, self.line, self.ended = "", 0, 1, False

    def more(self) -> None:
        """Hold another chunk, forgetting what was consumed; sets `ended` at the end of the stream."""
        chunk = self.stream.read(_CHUNK)
        self.ended = not chunk
        try:
            text = self.decoder.decode(chunk, final=self.ended)
        except UnicodeDecodeError as error:
            line = self.line + self.held.count("\n", self.at) + chunk[: error.start].count(b"\n")
            if self.ended:
                raise FcAssetsError(f"{self.file} line {line} ends within a character; fetch the file again") from None
            raise FcAssetsError(f"{self.file} line {line} is not UTF-8; convert the file") from None
        self.held, self.at = self.held[self.at :] + text, 0

    def consume(self, end: int) -> None:
        self.line += self.held.count("\n", self.at, end)
        self.at = end

    def mark(self) -> str:
        """The next character that is no white space, which is not consumed; empty at the end."""
        while True:
            end = self.at
            while end < len(self.held) and self.held[end] in _WHITE:
                end += 1
            self.consume(end)
            if end < len(self.held):
                return self.held[end]
            if self.ended:
                return ""
            self.more()

    def value(self) -> Any:
        """The JSON value that begins here, consumed."""
        while True:
            try:
                value, end = _DECODER.raw_decode(self.held, self.at)
            except (ValueError, RecursionError) as error:
                early = isinstance(error, json.JSONDecodeError) and not self.ended
                if not early or len(self.held) - self.at > MAX_ROW_BYTES:
                    raise self.error(error) from None
            else:
                if end < len(self.held) or self.ended:
                    self.consume(end)
                    return value
            self.more()

    def error(self, error: Exception) -> FcAssetsError:
        where, why = self.line, str(error)
        if isinstance(error, json.JSONDecodeError):
            where += self.held.count("\n", self.at, error.pos)
            why = error.msg
            if not self.ended:
                why = f"a row longer than {MAX_ROW_BYTES >> 20} MiB"
            elif error.pos >= len(self.held.rstrip()) or error.msg.startswith("Unterminated"):
                why = "it ends early"
        return FcAssetsError(f"{self.file} line {where} is not JSON ({why}); mend that row, or export the file again")


def _no_constant(literal: str) -> float:
    raise ValueError(f"{literal} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


def _array(file: Path, stream: IO[bytes]) -> Iterator[RawRow]:
    text = _Text(file, stream)
    name = str(file)
    text.mark()
    text.consume(text.at + 1)  # the opening bracket
    if text.mark() == "]":
        return
    while True:
        text.mark()
        line = text.line
        yield RawRow(name, line, text.value())
        mark = text.mark()
        if mark == "]":
            return
        if mark != ",":
            what = f"found {mark!r}" if mark else "it ends early"
            raise FcAssetsError(f"{file} line {text.line} is not JSON (expected a comma or ], {what}); mend the file")
        text.consume(text.at + 1)


def _parquet(file: Path) -> Iterator[RawRow]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    name = str(file)
    try:
        with pq.ParquetFile(file) as table:
            nested = {field.name for field in table.schema_arrow if pa.types.is_nested(field.type)}
            line = 0
            for batch in table.iter_batches(batch_size=1000):
                for row in batch.to_pylist():
                    line += 1
                    for column in nested:
                        row[column] = _without_nulls(row[column])
                    yield RawRow(name, line, row)
    except (pa.ArrowInvalid, OSError) as error:
        raise FcAssetsError(f"{file} is no readable Parquet file ({error}); fetch it again") from error


def _without_nulls(value: object) -> object:
    """Arrow gives every struct the keys of all other rows, with null: a key without a value was not there."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value
