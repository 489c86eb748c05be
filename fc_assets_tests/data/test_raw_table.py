"""Sources to the normalised table: counts, quarantine, and a failure that names the rows."""

import json
from pathlib import Path

import pytest

from fc_assets.data.raw_table import FLAG_REPEATED_ID, build_raw_table, read_summary
from fc_assets.data.rows.examples_file import read_examples
from fc_assets.data.sources.profile_sources import row_sources
from fc_assets.data.sources.row_source import RawRow, RowSource
from fc_assets.errors import FcAssetsError
from fc_assets.names import EXAMPLES, REJECTS, SUMMARY
from fc_assets.profiles import DataSettings

GENERATED = DataSettings(source="generator", rows=300, broken_rows=11)


def _build(settings: DataSettings, out: Path, share: float = 1.0):
    out.mkdir(exist_ok=True)
    return build_raw_table(row_sources(settings, []), out, policy=settings.required_policy, max_reject_share=share)


def test_every_row_is_in_the_table_or_in_quarantine(tmp_path: Path):
    summary = _build(GENERATED, tmp_path)
    assert (summary.rows, summary.rejected) == (300, 11)
    examples = list(read_examples(tmp_path / EXAMPLES))
    assert [example.id for example in examples] == [str(number) for number in range(300)]
    assert {(example.source, example.licence) for example in examples} == {("generator", "MIT")}
    rejects = [json.loads(line) for line in (tmp_path / REJECTS).read_text().splitlines()]
    assert [reject["id"] for reject in rejects] == [str(number) for number in range(300, 311)]
    assert all(reject["reason"] and json.loads(reject["row"]) for reject in rejects)
    assert sum(summary.by_reason.values()) == 11
    assert json.loads((tmp_path / SUMMARY).read_text())["by_reason"] == dict(summary.by_reason)
    assert read_summary(tmp_path) == summary


def test_the_same_rows_give_the_same_bytes(tmp_path: Path):
    for name in ("one", "two"):
        _build(GENERATED, tmp_path / name)
    for file in (EXAMPLES, REJECTS, SUMMARY):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


@pytest.mark.parametrize("inside", ["", "more"])
def test_rejected_rows_are_recorded_alike_wherever_their_files_lie(inside: str, tmp_path: Path):
    recorded = []
    for name in ("one", "two"):
        folder = tmp_path / name / "rows" / inside
        folder.mkdir(parents=True)
        (folder / "some.jsonl").write_text('{"id": "a"}\n')
        path = tmp_path / name / "rows" if inside else folder / "some.jsonl"
        with pytest.raises(FcAssetsError, match=str(folder)):
            _build(DataSettings(source="file", path=str(path)), tmp_path / name)
        recorded.append((tmp_path / name / REJECTS).read_bytes())
    assert recorded[0] == recorded[1]
    assert json.loads(recorded[0])["file"] == f"{inside}/some.jsonl".lstrip("/")


def test_too_many_rejects_fail_and_name_the_first(tmp_path: Path):
    with pytest.raises(FcAssetsError, match=r"11 of 311 rows .* 0\.01 .*row 301, id 300"):
        _build(GENERATED, tmp_path, share=0.01)


def test_a_broken_line_is_named_by_file_and_line(tmp_path: Path):
    file = tmp_path / "rows.jsonl"
    file.write_text('{"id": "a"}\n{"id": "b"\n')
    with pytest.raises(FcAssetsError, match=rf"{file} line 1, id a: no query; {file} line 2: line ends early"):
        _build(DataSettings(source="file", path=str(file)), tmp_path / "out", share=0.5)


def test_ids_are_unique(tmp_path: Path):
    row = next(iter(row_sources(GENERATED, [])[0].rows)).value
    twins = [RawRow("", number, row) for number in range(3)]
    build_raw_table([RowSource("twins", "", twins)], tmp_path, policy="all", max_reject_share=0)
    examples = list(read_examples(tmp_path / EXAMPLES))
    assert [example.id for example in examples] == ["0", "0~2", "0~3"]
    assert [FLAG_REPEATED_ID in example.flags for example in examples] == [False, True, True]


def test_limit_and_weight(tmp_path: Path):
    def rows(name: str) -> list[RawRow]:
        return [
            RawRow("", raw.line, {**raw.value, "id": f"{name}{raw.line}"}) for raw in row_sources(GENERATED, [])[0].rows
        ]

    first = RowSource("first", "", rows("a"), limit=40)
    second = RowSource("second", "", rows("b"), weight=0.25)
    summary = build_raw_table([first, second], tmp_path, policy="all", max_reject_share=1)
    assert summary.by_source == {"first": 40, "second": 10}


def test_hermes_is_mixed_in_by_its_weight(tmp_path: Path):
    offered = json.dumps([{"name": "f", "parameters": {"type": "object", "properties": {}}}])
    turns = [
        {"from": "human", "value": "Do f"},
        {"from": "gpt", "value": '<tool_call>{"name": "f", "arguments": {}}</tool_call>'},
        {"from": "tool", "value": "<tool_response>1</tool_response>"},
        {"from": "gpt", "value": "Done."},
    ]
    file = tmp_path / "hermes.jsonl"
    file.write_text("".join(json.dumps({"conversations": turns, "tools": offered}) + "\n" for _ in range(90)))
    settings = DataSettings.model_validate(
        {"source": "generator", "rows": 300, "hermes": {"weight": 0.1, "path": str(file)}}
    )
    assert _build(settings, tmp_path / "out").by_source == {"generator": 300, "hermes": 30}
    last = list(read_examples(tmp_path / "out" / EXAMPLES))[-1]
    assert (last.id, last.source, last.licence) == ("hermes-30", "hermes", "Apache-2.0")
    assert [turn["from"] for turn in json.loads(last.turns)] == ["human", "function_call", "observation", "gpt"]
