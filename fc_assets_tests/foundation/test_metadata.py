"""Tables for the page: bounded, rounded, free of what is not JSON, in the order that was meant."""

import json
import math

import dagster as dg

from fc_assets.foundation.json_files import finite
from fc_assets.foundation.metadata import MAX_TABLE_ROWS, picture, table


def test_a_table_is_rounded_ordered_and_bounded() -> None:
    rows = [{"name": f"row {n}", "share": n / 3, "rows": n} for n in range(MAX_TABLE_ROWS + 5)]
    made = table(rows)
    assert [column.name for column in made.schema.columns] == ["name", "share", "rows"]
    assert [column.type for column in made.schema.columns] == ["string", "float", "int"]
    assert len(made.records) == MAX_TABLE_ROWS
    assert made.records[1].data == {"name": "row 1", "share": 0.3333, "rows": 1}


def test_columns_that_only_some_rows_have_are_kept_and_the_rest_is_null() -> None:
    made = table([{"a": 1}, {"a": 2, "b": True}])
    assert [record.data for record in made.records] == [{"a": 1, "b": None}, {"a": 2, "b": True}]
    assert made.schema.columns[1].type == "bool"


def test_what_is_not_finite_becomes_null_so_that_the_page_can_read_it() -> None:
    made = table([{"loss": math.nan}, {"loss": math.inf}, {"loss": 0.5}])
    assert [record.data["loss"] for record in made.records] == [None, None, 0.5]
    assert finite(-math.inf) is None and finite("nan") == "nan"
    json.dumps([dict(record.data) for record in made.records], allow_nan=False)


def test_what_is_no_scalar_is_shown_as_text() -> None:
    assert table([{"calls": ["a"]}]).records[0].data == {"calls": "['a']"}


def test_a_picture_is_in_the_metadata_itself() -> None:
    made = picture(b"\x89PNG", "a curve")
    assert isinstance(made, dg.MarkdownMetadataValue)
    assert made.md_str == "![a curve](data:image/png;base64,iVBORw==)"
