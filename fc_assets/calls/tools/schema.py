"""JSON Schema Draft 2020-12, closed against undeclared arguments: compiled, and values validated against it.

The validator is jsonschema-rs: patterns from a data set run under a backtracking limit, references are never fetched.
What a call is does not belong here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fc_assets.errors import FcAssetsError

if TYPE_CHECKING:
    import jsonschema_rs

_BACKTRACK_LIMIT = 100_000  # steps of the regular expression engine for one value, about a millisecond
_CLOSED_BELOW = ("items", "additionalProperties", "contains")
_CLOSED_EACH = ("anyOf", "oneOf", "prefixItems")


def closed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A copy in which every object that lists its properties refuses others, unless it says itself what it allows.

    Schemas joined by `allOf` or a reference stay as they are: closing one part would refuse the other's properties.
    """
    result = dict(schema)
    if isinstance(result.get("properties"), Mapping):
        result["properties"] = {name: _closed_if_schema(part) for name, part in result["properties"].items()}
        if not ({"allOf", "$ref", "unevaluatedProperties"} & result.keys()):
            result.setdefault("additionalProperties", False)
    for key in _CLOSED_BELOW:
        if key in result:
            result[key] = _closed_if_schema(result[key])
    for key in _CLOSED_EACH:
        if isinstance(result.get(key), list) and "properties" not in schema:
            result[key] = [_closed_if_schema(part) for part in result[key]]
    return result


def compile_schema(
    schema: Mapping[str, Any], where: str, *, formats: bool = False
) -> jsonschema_rs.Draft202012Validator:
    """A validator for `schema`; with `formats` it also refuses what is no date where `format` asks for one.

    Raises FcAssetsError, naming `where`, if it is no valid Draft 2020-12 schema.
    """
    import jsonschema_rs

    try:
        return jsonschema_rs.Draft202012Validator(
            dict(schema),
            offline=True,
            validate_formats=formats,
            pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=_BACKTRACK_LIMIT),
        )
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError, TypeError) as error:
        reason = getattr(error, "message", str(error))
        raise FcAssetsError(
            f"the parameters of {where} are no valid JSON Schema (Draft 2020-12): {reason}; mend or quarantine the tool"
        ) from error


def is_valid(validator: jsonschema_rs.Draft202012Validator, value: Any) -> bool:
    """Whether `value` validates. Text with lone surrogates satisfies no enum, pattern or length."""
    try:
        return validator.is_valid(value)
    except UnicodeEncodeError:
        return False


def _closed_if_schema(part: Any) -> Any:
    return closed(part) if isinstance(part, Mapping) else part
