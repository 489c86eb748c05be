"""xLAM's type annotations: the mapping that the definitions give, and that no text breaks the parser."""

import jsonschema
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fc_assets.data.rows.xlam_types import MAX_TYPE_CHARS, parse_type

STRING, INTEGER, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}


@pytest.mark.parametrize(
    ("text", "schema"),
    [
        ("str", STRING),
        ("int", INTEGER),
        ("float", NUMBER),
        ("bool", {"type": "boolean"}),
        ("string", STRING),
        ("list", {"type": "array"}),
        ("List[int]", {"type": "array", "items": INTEGER}),
        ("typing.List[ int ]", {"type": "array", "items": INTEGER}),
        ("Set[str]", {"type": "array", "items": STRING}),
        ("set", {"type": "array"}),
        ("List[List[float]]", {"type": "array", "items": {"type": "array", "items": NUMBER}}),
        ("List[Union[int, float]]", {"type": "array", "items": {"anyOf": [INTEGER, NUMBER]}}),
        (
            "Tuple[float, float]",
            {"type": "array", "prefixItems": [NUMBER, NUMBER], "minItems": 2, "maxItems": 2},
        ),
        ("Tuple[int, ...]", {"type": "array", "items": INTEGER}),
        ("tuple", {"type": "array"}),
        ("dict", {"type": "object"}),
        ("Dict[str, int]", {"type": "object", "additionalProperties": INTEGER}),
        ("Dict[str, Any]", {"type": "object"}),
        ("Dict", {"type": "object"}),
        ("int | str", {"anyOf": [INTEGER, STRING]}),
        ("Union[int, Union[int, str]]", {"anyOf": [INTEGER, STRING]}),
        ("Union[int, Any]", {}),
        ("Literal['a', 'b']", {"enum": ["a", "b"]}),
        ("Literal[1, True, None]", {"enum": [1, True, None]}),
        ("Any", {}),
        ("Callable[[float], float]", {}),
        ("Callable", {}),
        ("List[Callable[[int], str]]", {"type": "array"}),
    ],
)
def test_mapping(text: str, schema: dict):
    assert parse_type(text).schema == schema
    assert parse_type(text).unknown == ()
    assert not parse_type(text).optional


def test_optional_and_default():
    assert parse_type("str, optional").optional
    assert parse_type("str, optional").schema == STRING
    assert parse_type("List[int], optional").schema == {"type": "array", "items": INTEGER}
    assert parse_type("Optional[int]").optional
    assert parse_type("Optional[int]").schema == {"anyOf": [INTEGER, {"type": "null"}]}
    assert not parse_type("List[Optional[int]]").optional
    assert parse_type("int, default 10").default == 10
    assert parse_type("int, optional, default: 10").default == 10
    assert parse_type("str, default = 'en'").default == "en"
    assert parse_type("str, default en-US / fr").default == "en-US / fr"
    assert parse_type("str").default is None


def test_a_prefix_is_not_a_type():
    assert parse_type("integers").schema == {}
    assert parse_type("integers").unknown == ("integers",)
    assert parse_type("strange").unknown == ("strange",)
    assert parse_type("List[Foo]").schema == {"type": "array"}
    assert parse_type("List[Foo]").unknown == ("Foo",)


@pytest.mark.parametrize(
    "text", ["", "List[", "List]", "int int", "List[int,", "int, maybe", "[int]", "Tuple[..., int]", "€"]
)
def test_no_type_at_all_is_anything_and_counted(text: str):
    assert parse_type(text).schema == {}
    assert parse_type(text).unknown == (text,)


def test_depth_and_length_are_bounded():
    assert parse_type("List[" * 500 + "int" + "]" * 500).schema == {}
    assert parse_type("x" * (MAX_TYPE_CHARS + 1)).schema == {}


NAMES = st.sampled_from(["str", "int", "float", "bool", "list", "dict", "Any", "None", "Foo", "tuple"])
TYPES = st.recursive(
    NAMES,
    lambda inner: st.one_of(
        inner.map(lambda t: f"List[{t}]"),
        inner.map(lambda t: f"Optional[{t}]"),
        st.tuples(inner, inner).map(lambda t: f"Dict[{t[0]}, {t[1]}]"),
        st.tuples(inner, inner).map(lambda t: f"{t[0]} | {t[1]}"),
        st.lists(inner, min_size=1, max_size=4).map(lambda t: f"Tuple[{', '.join(t)}]"),
        st.lists(inner, min_size=1, max_size=4).map(lambda t: f"Union[{','.join(t)}]"),
    ),
    max_leaves=8,
)


@given(TYPES)
def test_every_annotation_becomes_a_valid_schema(text: str):
    meaning = parse_type(text)
    jsonschema.Draft202012Validator.check_schema(meaning.schema)
    assert bool(meaning.unknown) == ("Foo" in text)
    assert parse_type(f"{text}, optional").schema == meaning.schema


@given(st.text(max_size=60))
@example("Literal['")
@example("int, default 1e999")
@example("Callable[[")
def test_no_text_breaks_the_parser(text: str):
    jsonschema.Draft202012Validator.check_schema(parse_type(text).schema)
