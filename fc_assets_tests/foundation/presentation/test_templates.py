"""Text from template files: what is not given is an error, and the text of other languages is left alone."""

from pathlib import Path

import pytest
from jinja2 import UndefinedError

from fc_assets.foundation.presentation.templates import render_template


def template(folder: Path, text: str) -> Path:
    file = folder / "text.j2"
    file.write_text(text)
    return file


def test_a_line_with_only_a_statement_leaves_none_behind(tmp_path: Path) -> None:
    text = "a\n  {% for each in items %}\n- {{ each }}\n  {% endfor %}\nb\n"
    assert render_template(template(tmp_path, text), items=["x & y", '"z"']) == 'a\n- x & y\n- "z"\nb\n'


def test_braces_of_other_languages_stay(tmp_path: Path) -> None:
    text = """return '{"a": {"b": "{{ value }}"}}';\n"""
    assert render_template(template(tmp_path, text), value=1) == """return '{"a": {"b": "1"}}';\n"""


@pytest.mark.parametrize("text", ["{{ nobody }}", "{{ thing.nothing }}", "{% if nobody %}{% endif %}"])
def test_a_name_that_was_not_given_is_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(UndefinedError):
        render_template(template(tmp_path, text), thing={})
