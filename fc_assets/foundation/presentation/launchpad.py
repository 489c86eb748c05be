"""A profile's settings as Dagster's launchpad offers them: types, choices, defaults, and what each may be.

Choices are refused in the page before anything starts. Dagster's page cannot refuse a number out of its range, so the
range stands in the description; a run with a wrong one fails before its first step, as `parse_profile` says why.
"""

from __future__ import annotations

import functools
from typing import Any, Literal, get_args, get_origin

import annotated_types
import dagster as dg
from pydantic import BaseModel
from pydantic.fields import FieldInfo

_BOUNDS = (
    (annotated_types.Ge, "ge", "at least"),
    (annotated_types.Gt, "gt", "more than"),
    (annotated_types.Le, "le", "at most"),
    (annotated_types.Lt, "lt", "less than"),
)


def config_schema(section: BaseModel) -> dict[str, dg.Field]:
    """A Dagster config schema with one optional field for each setting, its default being the section's value."""
    fields = {}
    for name, info in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            # Leaves fill in for a section that is given in part, the section's own default for one left out whole.
            fields[name] = dg.Field(
                config_schema(value),
                default_value=value.model_dump(mode="json"),
                description=type(value).__doc__,
                is_required=False,
            )
        else:
            fields[name] = dg.Field(
                _config_type(f"{type(section).__name__}_{name}", info.annotation, value),
                default_value=_plain(value),
                description=described(info),
                is_required=False,
            )
    return fields


def described(info: FieldInfo) -> str | None:
    """The field's description and the range of its number, if it has either."""
    bounds = [
        f"{words} {getattr(bound, attribute)}"
        for kind, attribute, words in _BOUNDS
        for bound in info.metadata
        if isinstance(bound, kind)
    ]
    allowed = " and ".join(bounds)
    return " ".join(part for part in (info.description, f"({allowed})" if allowed else "") if part) or None


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _config_type(name: str, annotation: Any, value: object) -> Any:
    if isinstance(value, tuple):
        return dg.Array(_config_type(name, get_args(annotation)[0], value[0] if value else ""))
    if get_origin(annotation) is Literal:
        return _choice(name, get_args(annotation))
    return type(value)


@functools.cache
def _choice(name: str, choices: tuple[str, ...]) -> dg.Enum:
    """Made once: Dagster takes two types of one name for a mistake, however alike they are."""
    return dg.Enum(name, [dg.EnumValue(choice, python_value=choice) for choice in choices])
