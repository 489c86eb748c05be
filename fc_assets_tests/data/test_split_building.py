"""Raw table to splits: what the settings choose, what is listed as dropped, and which job counts the tokens."""

import json
from pathlib import Path

import pytest

from fc_assets.data.raw_table import build_raw_table
from fc_assets.data.sources.row_source import RawRow, RowSource
from fc_assets.data.split_building import build_curated_splits, questions_to_avoid
from fc_assets.data.splits import split_rows
from fc_assets.names import DROPPED, SHAREGPT_TRAIN, SHAREGPT_VAL
from fc_assets.profiles import Profile, load_profile, parse_profile

TOOL = {"name": "book_table", "parameters": {"place": {"type": "str"}}}
PLACES = [f"place number {number}" for number in range(30)]


def _profile(**curation: object) -> Profile:
    values = load_profile("demo").model_dump()
    values["data"]["irrelevance_share"] = 0.0
    values["data"]["curation"].update(curation)
    return parse_profile(values, "test")


@pytest.fixture
def raw_table(tmp_path: Path) -> Path:
    """Thirty bookings, the first of them twice."""
    rows = [
        {
            "id": number,
            "query": f"Book {place}",
            "answers": [{"name": "book_table", "arguments": {"place": place}}],
            "tools": [TOOL],
        }
        for number, place in enumerate([*PLACES, PLACES[0]])
    ]
    folder = tmp_path / "raw"
    folder.mkdir()
    source = RowSource("test", "MIT", [RawRow("", row["id"], row) for row in rows])
    build_raw_table([source], folder, policy="all", max_reject_share=0)
    return folder


def test_both_splits_are_written_and_what_was_dropped_is_listed(raw_table: Path, tmp_path: Path):
    train, validation, profile = tmp_path / "train", tmp_path / "validation", _profile(bfcl="drop")
    for folder in (train, validation):
        folder.mkdir()
    built = build_curated_splits(raw_table, train, validation, tmp_path, profile.data, ["book place number 7!"])
    dropped = map(json.loads, (train / DROPPED).read_text().splitlines())
    assert sorted(dropped, key=lambda row: int(row["id"])) == [
        {"id": "7", "reason": "repeats a BFCL question"},
        {"id": "30", "reason": "exact duplicate"},
    ]
    ids = [row["id"] for name in (SHAREGPT_TRAIN, SHAREGPT_VAL) for row in split_rows(built.files[name])]
    assert sorted(ids, key=int) == [str(number) for number in range(30) if number != 7]
    job = built.token_lengths_job(profile)
    assert {name: split.rows for name, split in job.splits.items()} == {
        name: summary.rows for name, summary in built.summaries.items()
    }


def test_questions_are_read_only_where_they_matter(tmp_path: Path):
    assert questions_to_avoid(_profile(bfcl="keep")) == []
    values = _profile(bfcl="drop").model_dump()
    values["bfcl"]["python"] = str(tmp_path / "absent/bin/python")
    assert questions_to_avoid(parse_profile(values, "test")) is None
