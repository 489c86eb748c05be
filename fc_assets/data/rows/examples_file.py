"""The normalised examples as a Parquet file, written and read in batches so that memory stays bounded.

The columns are the fields of `normalise.Example`. Rejected rows are kept by `fc_assets.data.raw_table`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fc_assets.data.rows.normalise import Example
from fc_assets.errors import FcAssetsError
from fc_assets.names import XLAM_RAW

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = Example._fields
_BATCH = 5000


def schema() -> pa.Schema:
    """The Arrow schema of the table: text columns, and `flags` as a list of text."""
    import pyarrow as pa

    types = {name: pa.string() for name in COLUMNS} | {"flags": pa.list_(pa.string())}
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in types.items()])


class ExampleWriter:
    """Appends examples to a new Parquet file; opened by `example_writer`. Only `_BATCH` examples are in memory."""

    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as pq

        self._schema = schema()
        self._writer = pq.ParquetWriter(
            path, self._schema, compression="zstd", compression_level=1, use_dictionary=["source", "licence"]
        )
        self._held: list[Example] = []

    def write(self, example: Example) -> None:
        self._held.append(example)
        if len(self._held) >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        columns = zip(*self._held, strict=True)
        arrays = [pa.array(column, field.type) for column, field in zip(columns, self._schema, strict=True)]
        self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))
        self._held.clear()

    def close(self) -> None:
        if self._held:
            self._flush()
        self._writer.close()


@contextlib.contextmanager
def example_writer(path: Path) -> Iterator[ExampleWriter]:
    """An `ExampleWriter` for a new file, closed when the block is left."""
    writer = ExampleWriter(path)
    try:
        yield writer
    finally:
        writer.close()


def read_examples(path: Path) -> Iterator[Example]:
    """The examples of a table, in order. Raises `FcAssetsError` when the file is not such a table."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as table:
            missing = [name for name in COLUMNS if name not in table.schema_arrow.names]
            if missing:
                raise FcAssetsError(f"{path} lacks the columns {', '.join(missing)}; materialise {XLAM_RAW} again")
            for batch in table.iter_batches(batch_size=_BATCH, columns=list(COLUMNS)):
                columns = {name: batch.column(name).to_pylist() for name in COLUMNS}
                columns["flags"] = list(map(tuple, columns["flags"]))
                yield from map(Example, *columns.values())
    except (pa.ArrowInvalid, OSError) as error:
        raise FcAssetsError(f"{path} cannot be read ({error}); materialise {XLAM_RAW} again") from error
