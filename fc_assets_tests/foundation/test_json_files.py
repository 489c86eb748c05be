"""JSON files: what is written is read back; what is no object is one sentence that names the file."""

import json
import math
from pathlib import Path

import pytest

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.json_files import finite, read_json, write_json


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    write_json(file, {"city": "Zürich", "path": Path("a/b"), "rows": [1, None]})
    assert read_json(file) == {"city": "Zürich", "path": "a/b", "rows": [1, None]}
    assert "Zürich" in file.read_text(encoding="utf-8") and file.read_text(encoding="utf-8").endswith("}\n")


@pytest.mark.parametrize(
    ("content", "said"), [(None, "cannot be read as JSON"), ("{", "cannot be read as JSON"), ("[]", "holds a list")]
)
def test_what_is_no_object_names_the_file(tmp_path: Path, content: str | None, said: str) -> None:
    file = tmp_path / "a.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(FcAssetsError, match=f"{file} {said}"):
        read_json(file)


def test_numbers_that_are_not_finite_become_null_at_any_depth() -> None:
    found = finite({"a": math.nan, "b": [1.5, math.inf, ("x", -math.inf)], "c": {"d": math.nan}, "e": True})
    assert found == {"a": None, "b": [1.5, None, ["x", None]], "c": {"d": None}, "e": True}
    json.dumps(found, allow_nan=False)
