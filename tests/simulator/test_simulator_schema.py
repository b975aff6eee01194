"""Made-up JSON is valid against the schema that it was made for, by a small check of its own."""

import re
import warnings
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.simulator.pattern import matching
from tollway.simulator.schema import generate


def accepts(schema: Any, value: Any, root: Any = None) -> bool:
    """Whether a JSON Schema accepts a value: the keywords that `generate` promises, checked from the value's side."""
    if schema is True:
        return True
    root = schema if root is None else root
    if "$ref" in schema:
        target: Any = root
        for step in schema["$ref"].removeprefix("#/").split("/") if schema["$ref"] != "#" else ():
            target = target[step]
        return accepts(target, value, root)
    if "anyOf" in schema and not any(accepts(branch, value, root) for branch in schema["anyOf"]):
        return False
    if "oneOf" in schema and sum(accepts(branch, value, root) for branch in schema["oneOf"]) != 1:
        return False
    if not all(accepts(part, value, root) for part in schema.get("allOf", ())):
        return False
    if "const" in schema and value != schema["const"]:
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    return (not kinds or any(TYPES[kind](value) for kind in kinds)) and inside(schema, value, root)


TYPES: dict[str, Any] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}


def inside(schema: Any, value: Any, root: Any) -> bool:
    """Whether a value of the right type keeps within the schema's bounds."""
    match value:
        case dict():
            properties = schema.get("properties", {})
            extra = schema.get("additionalProperties", True)
            return (
                set(schema.get("required", ())) <= value.keys()
                and len(value) >= schema.get("minProperties", 0)
                and all(name in properties or extra is not False for name in value)
                and all(accepts(properties[name], item, root) for name, item in value.items() if name in properties)
            )
        case list():
            return (
                schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", 10**9)
                and all(
                    accepts(schema.get("items", True), item, root)
                    for item in value[len(schema.get("prefixItems", ())) :]
                )
                and (not schema.get("uniqueItems") or len({repr(item) for item in value}) == len(value))
            )
        case str():
            return schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 10**9) and bool(
                re.search(schema.get("pattern", ""), value)
            )
        case bool() | None:
            return True
        case _:
            return (
                schema.get("minimum", value) <= value <= schema.get("maximum", value)
                and ("exclusiveMinimum" not in schema or value > schema["exclusiveMinimum"])
                and ("exclusiveMaximum" not in schema or value < schema["exclusiveMaximum"])
                and ("multipleOf" not in schema or value % schema["multipleOf"] == 0)
            )


TREE: dict[str, Any] = {
    "$ref": "#/$defs/Node",
    "$defs": {
        "Node": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
                "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
            },
            "required": ["name", "next", "children"],
            "additionalProperties": False,
        }
    },
}
SCHEMAS: list[dict[str, Any]] = [
    {},
    {"type": "object"},
    {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a", "b"]},
    {"type": "object", "minProperties": 3, "additionalProperties": {"type": "integer"}},
    {"type": "array", "items": {"type": "integer"}, "minItems": 3, "uniqueItems": True},
    {"type": "array", "items": {"type": "string"}, "maxItems": 0},
    {
        "type": "array",
        "prefixItems": [{"type": "string"}, {"type": "integer"}],
        "items": {"type": "null"},
        "minItems": 4,
    },
    {"enum": ["red", "green"]},
    {"const": {"a": 1}},
    {"type": ["null", "string"]},
    {"type": "integer", "minimum": 3, "maximum": 3},
    {"type": "integer", "exclusiveMinimum": 3, "maximum": 4},
    {"type": "integer", "maximum": -5},
    {"type": "integer", "minimum": 10, "multipleOf": 7},
    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.25},
    {"type": "number", "minimum": 0.1, "maximum": 0.2},
    {"type": "string", "minLength": 40, "maxLength": 41},
    {"type": "string", "maxLength": 3},
    {"type": "string", "pattern": r"^[A-Z]{2}-\d{4}(x|y)?$"},
    {"anyOf": [{"type": "integer"}, {"type": "null"}]},
    {"oneOf": [{"type": "object", "properties": {"kind": {"const": "a"}}, "required": ["kind"]}, {"type": "string"}]},
    {
        "allOf": [
            {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
            {"properties": {"b": {"type": "string"}}, "required": ["b"]},
        ]
    },
    TREE,
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=str)
def test_made_values_are_accepted(schema: dict[str, Any]) -> None:
    """Each schema accepts what was made for it; schemas that hold themselves come to an end."""
    assert accepts(schema, generate(schema))


def test_the_check_can_fail() -> None:
    """The check of this file refuses what is wrong, so that its yes means something."""
    assert not accepts({"type": "object", "required": ["a"]}, {})
    assert not accepts({"type": "integer"}, True)
    assert not accepts({"type": "integer", "minimum": 3}, 2)
    assert not accepts({"type": "string", "pattern": "^a$"}, "b")
    assert not accepts(TREE, {"name": "x", "next": None})


bounds = st.integers(-1000, 1000)
leaves: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"type": "string", "format": "date-time"}]),
    st.tuples(bounds, bounds).map(lambda b: {"type": "integer", "minimum": min(b), "maximum": max(b)}),
    st.tuples(bounds, bounds).map(lambda b: {"type": "number", "minimum": min(b), "maximum": max(b) + 0.5}),
    bounds.map(lambda b: {"type": "number", "exclusiveMaximum": b}),
    st.integers(0, 50).map(lambda n: {"type": "string", "minLength": n, "maxLength": n + 2}),
    st.lists(st.one_of(st.text(), st.integers()), min_size=1, unique=True).map(lambda items: {"enum": items}),
)


def nested(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects, arrays and choices of smaller schemas."""
    return st.one_of(
        st.dictionaries(st.text(min_size=1, max_size=5), inner, max_size=4).map(
            lambda p: {"type": "object", "properties": p, "required": list(p), "additionalProperties": False}
        ),
        st.tuples(inner, st.integers(0, 3)).map(lambda i: {"type": "array", "items": i[0], "minItems": i[1]}),
        st.lists(inner, min_size=1, max_size=3).map(lambda branches: {"anyOf": branches}),
    )


@given(st.recursive(leaves, nested, max_leaves=12))
def test_any_schema_of_these_kinds(schema: dict[str, Any]) -> None:
    """Whatever is built of the supported keywords, the value made for it is accepted."""
    assert accepts(schema, generate(schema))


@pytest.mark.parametrize(
    "pattern",
    [
        r"^\d{3}-\d{2}$",
        r"[a-f0-9]{8}",
        r"^(cat|dog)s?$",
        r"^[^a-z]+$",
        r"^\+?[1-9]\d{1,14}$",
        r"^a.c\.d$",
        r"^(?:x{2}y)+$",
    ],
)
def test_patterns(pattern: str) -> None:
    """The writer of texts satisfies the patterns that schemas commonly have."""
    written = matching(pattern)
    assert written is not None
    assert re.search(pattern, written)


@pytest.mark.parametrize("pattern", [r"(?=a)b", r"(a)\1", "[", "(", r"^a$b"])
def test_patterns_beyond_it(pattern: str) -> None:
    """It says so where it cannot write one, instead of writing what does not match."""
    assert matching(pattern) is None


@given(st.text(alphabet="ab[](){}|*+?^$\\d.-,0129", max_size=12))
def test_any_pattern(pattern: str) -> None:
    """Whatever stands for a pattern: no error, and what is written matches."""
    written = matching(pattern)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # about "[[" in the made-up pattern
        assert written is None or re.search(pattern, written)
