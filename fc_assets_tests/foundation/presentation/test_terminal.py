"""What is printed: text of models and servers steers no terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from fc_assets.foundation.presentation.terminal import printable, text_table

RED, TITLE, NEW_CSI = "\x1b[31m", "\x1b]0;mine\x07", "\x9b31m"


@pytest.mark.parametrize("hostile", [RED, TITLE, NEW_CSI, "\r", "\x7f", "\x00", "\x08"])
def test_control_characters_are_spelt_as_escapes(hostile: str) -> None:
    shown = printable(f"a{hostile}b")
    assert shown.isprintable() and shown.startswith("a\\x")


@pytest.mark.parametrize("text", ["", "two\nlines\tand a tab", "Zürich 苏黎世\u3000👩‍🔬", "\\x1b"])
def test_other_text_is_left_alone(text: str) -> None:
    assert printable(text) == text


def test_a_cell_of_a_table_steers_no_terminal() -> None:
    out = io.StringIO()
    Console(file=out, width=80).print(text_table([{"name": f"{RED}{TITLE}tool"}], ["name"]))
    assert "\x1b" not in out.getvalue() and "\x07" not in out.getvalue() and "tool" in out.getvalue()
