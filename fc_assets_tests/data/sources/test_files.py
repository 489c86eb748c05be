"""Local files: every form reads the same, memory stays bounded, and a damaged file says where."""

import gzip
import json
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fc_assets.data.sources.files import MAX_ROW_BYTES, read_files
from fc_assets.errors import FcAssetsError

ROWS = [{"id": number, "query": "é" * (number % 900), "tools": "[]\n", "answers": "x"} for number in range(1200)]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)


def _write(path: Path) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(ROWS), path)
        return path
    text = LINES if ".jsonl" in path.suffixes else json.dumps(ROWS, indent=1, ensure_ascii=False)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    elif path.suffix == ".zst":
        with pa.output_stream(str(path), compression="zstd") as stream:
            stream.write(text.encode())
    else:
        path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "name", ["a.json", "a.jsonl", "a.json.gz", "a.jsonl.gz", "a.json.zst", "a.jsonl.zst", "a.parquet"]
)
def test_every_form_reads_the_same(tmp_path: Path, name: str):
    read = list(read_files(_write(tmp_path / name)))
    assert [row.value for row in read] == ROWS
    assert not any(row.problem for row in read)


def test_lines_are_numbered(tmp_path: Path):
    assert [row.line for row in read_files(_write(tmp_path / "a.jsonl"))] == list(range(1, 1201))
    # Each row of the indented array takes six lines behind the first bracket.
    assert [row.line for row in read_files(_write(tmp_path / "a.json"))] == [2 + 6 * n for n in range(1200)]


def test_a_folder_is_read_in_the_order_of_names(tmp_path: Path):
    for name, number in (("b.jsonl", 2), ("a.json", 1), ("sub/c.jsonl", 3), ("notes.txt", 4), (".hidden.json", 5)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps({"id": number}))
    assert [row.value for row in read_files(tmp_path)] == [{"id": 1}, {"id": 2}, {"id": 3}]


def test_arrow_structs_lose_the_nulls_of_other_rows(tmp_path: Path):
    rows = [{"answers": [{"name": "f", "arguments": {"a": 1}}]}, {"answers": [{"name": "g", "arguments": {"b": "x"}}]}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    assert [row.value for row in read_files(tmp_path / "a.parquet")] == rows


def test_a_byte_order_mark_is_no_part_of_the_row(tmp_path: Path):
    (tmp_path / "a.jsonl").write_bytes(b"\xef\xbb\xbf" + b'{"id": 1}\n')
    (tmp_path / "b.json").write_bytes(b"\xef\xbb\xbf" + b'[{"id": 2}]')
    assert [row.value for row in read_files(tmp_path)] == [{"id": 1}, {"id": 2}]


def test_unreadable_lines_become_rows_with_a_problem(tmp_path: Path):
    lines = [b'{"id": 1}', b'{"id": 2', b"", b'{"id": "\xe9"}', b'{"id": 4}}', b"x" * (MAX_ROW_BYTES + 5), b'{"id": 6}']
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(lines))
    read = list(read_files(tmp_path / "a.jsonl"))
    assert [(row.line, row.problem) for row in read] == [
        (1, ""),
        (2, "line ends early"),
        (4, "line is not UTF-8"),
        (5, "line is not JSON"),
        (6, "line is longer than 16 MiB"),
        (7, ""),
    ]
    assert read[-1].value == {"id": 6}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json", b'[{"id": 1},\n{"id": "abc', r"a\.json line 2 is not JSON \(it ends early\)"),
        ("a.json", b'[{"id": 1},\n{"id": "ab\xc3', r"a\.json line 2 ends within a character"),
        ("a.json", b'[{"id": 1},', r"a\.json line 1 is not JSON \(it ends early\)"),
        ("a.json", b'[{"id": 1},\n{"id" 2}]', r"a\.json line 2 is not JSON"),
        ("a.json", b'[{"id": 1}\n{"id": 2}]', r"a\.json line 2 is not JSON \(expected a comma"),
        ("a.json", b'[{"id": 1},\n{"id": "\xe9"}]', r"a\.json line 2 is not UTF-8"),
        ("a.json", b'[{"id": NaN}]', r"a\.json line 1 is not JSON \(NaN"),
        ("a.json", b"[" * 100_000, r"a\.json line 1 is not JSON"),
        ("a.json", b'[{"id": "' + b"x" * 50_000_000, r"a\.json line 1 is not JSON \(a row longer than 16 MiB"),
        ("a.json", b"", r"a\.json holds no rows"),
        ("a.jsonl", b"\n\n", r"a\.jsonl holds no rows"),
        ("a.jsonl", '{"id": 1}'.encode("utf-16"), r"a\.jsonl line 1 is written in UTF-16"),
        ("a.jsonl.gz", gzip.compress(LINES.encode())[:900], r"a\.jsonl\.gz is cut off or damaged behind line \d+"),
        ("a.jsonl.gz", b"plain", r"a\.jsonl\.gz is cut off or damaged behind line 1"),
        ("a.jsonl.zst", b"plain", r"a\.jsonl\.zst is cut off or damaged behind line 1"),
        ("a.parquet", b"PAR1 no more", r"a\.parquet is no readable Parquet file"),
        ("a.csv", b"id\n1\n", r"a\.csv is of no kind that can be read"),
    ],
)
def test_a_damaged_file_says_where(tmp_path: Path, name: str, content: bytes, said: str):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FcAssetsError, match=said):
        list(read_files(tmp_path / name))


def test_nothing_to_read(tmp_path: Path):
    with pytest.raises(FcAssetsError, match="no file or folder"):
        list(read_files(tmp_path / "absent"))
    with pytest.raises(FcAssetsError, match="holds no file of rows"):
        list(read_files(tmp_path))


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, name: str):
    row = json.dumps({"query": "x" * 2000})
    rows = [row] * 15_000  # 30 MB
    text = "[" + ",".join(rows) + "]" if name == "a.json" else "\n".join(rows)
    (tmp_path / name).write_text(text)
    del text
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_files(tmp_path / name)) == 15_000
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "rows.jsonl",
            '[{"query": "a"},\n {"query": "b"}]',
            r"holds a JSON array and not a row a line; name it \.json",
        ),
        ("rows.json", '{"data": [{"query": "a"}]}', "holds its rows under the key 'data'"),
        ("rows.json", '{\n "data": [{"query": "a"}]\n}', "is one JSON object over several lines"),
    ],
)
def test_rows_that_are_wrapped_say_how(tmp_path: Path, name: str, text: str, said: str):
    (tmp_path / name).write_text(text)
    with pytest.raises(FcAssetsError, match=said):
        list(read_files(tmp_path / name))


def test_a_table_of_another_kind_beside_the_rows_is_not_passed_over(tmp_path: Path):
    (tmp_path / "a.jsonl").write_text('{"query": "a"}\n')
    (tmp_path / "b.csv").write_text("query\na\n")
    with pytest.raises(FcAssetsError, match=r"b\.csv is of no kind that can be read; convert it to one of \.json"):
        list(read_files(tmp_path))


def test_a_damaged_first_line_is_one_row_that_cannot_be_read(tmp_path: Path):
    (tmp_path / "a.json").write_text('{"query": oops}\n{"query": "b"}\n')
    assert [row.problem for row in read_files(tmp_path / "a.json")] == ["line is not JSON", ""]
