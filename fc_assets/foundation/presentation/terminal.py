"""Tables and lines on a terminal, by rich, in one form for every command. What is printed belongs to the commands."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDTH_OF_FILES = 240
"""Columns where the output is no terminal: rich would assume 80 and fold the cells of a wide table."""
_DIGITS = 4
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def console(*, stderr: bool = False) -> Console:
    """A console on standard output or standard error that prints text as it is: nothing is highlighted or parsed."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _WIDTH_OF_FILES
    return Console(file=stream, width=width, highlight=False, markup=False, soft_wrap=False)


def printable(text: str) -> str:
    """The text with control characters spelt as escapes, so that what a model or a server wrote steers no terminal."""
    return _CONTROLS.sub(lambda found: f"\\x{ord(found.group()):02x}", text)


def text_table(records: Sequence[Mapping[str, object]], columns: Sequence[str]) -> Table:
    """Records as aligned columns, numbers to the right; floats with four significant digits, nothing as a dash."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name in columns:
        numbers = all(_is_number(record.get(name)) for record in records)
        table.add_column(Text(name), justify="right" if numbers else "left", no_wrap=not sys.stdout.isatty())
    for record in records:
        table.add_row(*(Text(printable(_cell(record.get(name)))) for name in columns))
    return table


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.{_DIGITS}g}" if isinstance(value, float) else str(value)


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))
