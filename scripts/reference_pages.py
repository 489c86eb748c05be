"""The tables of docs/reference/: every field of a profile, and what each command of `fc-assets` says of itself.

`scripts.write_reference` writes them into the pages; the tables of the graph are made there.
"""

from __future__ import annotations

import contextlib
import io
import os
import types
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from fc_assets.cli import COMMANDS, main
from fc_assets.foundation.presentation.launchpad import described
from fc_assets.profiles import Profile, load_profile, profile_names

WIDTH = 100
"""Columns of a command's help."""


def profile_sections(table: Any) -> str:
    """A heading and a table of fields for each section of a profile; `table` makes Markdown of a heading and rows."""
    profiles = {name: load_profile(name) for name in profile_names()}
    parts = []
    for name, info in Profile.model_fields.items():
        if isinstance(info.default, BaseModel):
            rows = list(field_rows(info.default, {each: getattr(profiles[each], name) for each in profiles}))
            text = " ".join((type(info.default).__doc__ or "").split("\n\n")[0].split())
            heading = ("field", "takes", "default", "in a profile", "what it is")
            parts.append(f"## {name}\n\n{text}\n\n{table(heading, rows)}\n")
    return "\n" + "".join(parts)


def field_rows(section: BaseModel, in_profiles: dict[str, Any], prefix: str = "") -> Iterator[Sequence[str]]:
    """One row for each field of `section` and of the sections in it; `in_profiles` are their values by profile."""
    for name, info in type(section).model_fields.items():
        default = getattr(section, name)
        values = {profile: getattr(each, name) for profile, each in in_profiles.items()}
        if isinstance(default, BaseModel):
            yield from field_rows(default, values, f"{prefix}{name}.")
            continue
        differing = "; ".join(f"{each}: {code(value)}" for each, value in values.items() if value != default)
        yield code(prefix + name), takes(info), code(default), differing or "-", described(info) or "-"


def takes(info: FieldInfo) -> str:
    """The kind of value that a field takes, in words; a choice is listed."""
    return kind(info.annotation)


def kind(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(code(choice) for choice in arguments)
    if origin is tuple:
        return f"list of: {kind(arguments[0])}"
    if origin in (Union, types.UnionType):
        return " or ".join(kind(each) for each in arguments)
    if hasattr(annotation, "__metadata__"):  # Annotated: the range stands in the description
        return kind(arguments[0])
    names = {bool: "true or false", int: "whole number", float: "number", str: "text", type(None): "nothing"}
    return names.get(annotation) or str(annotation)


def code(value: object) -> str:
    """A value as it would stand in a profile's YAML."""
    if isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, tuple):
        text = f"[{', '.join(map(str, value))}]"
    else:
        text = str(value)
    return f"`{text}`" if text else "empty"


def command_helps() -> str:
    """Each command's own `--help`, as it prints it."""
    return "\n" + "\n".join(f"## {name}\n\n{does}.\n\n```text\n{help_of(name)}\n```\n" for name, does in commands())


def commands() -> Iterable[tuple[str, str]]:
    return ((name, does[0].upper() + does[1:]) for name, (_, does) in COMMANDS.items())


def help_of(command: str) -> str:
    """What `fc-assets COMMAND --help` prints."""
    said, before = io.StringIO(), os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = str(WIDTH)
    try:
        with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
            main([command, "--help"])
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before
    return "\n".join(line.rstrip() for line in said.getvalue().strip().splitlines())
