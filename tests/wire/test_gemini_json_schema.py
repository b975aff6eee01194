"""JSON Schema into what Google takes, and back."""

from typing import Any

import pytest

from tollway.wire.gemini.json_schema import from_google, to_google

SCHEMAS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (
        "references are put in place",
        {
            "$defs": {"C": {"type": "string", "enum": ["a", "b"]}},
            "type": "object",
            "properties": {"c": {"$ref": "#/$defs/C", "description": "d"}},
            "additionalProperties": False,
        },
        {
            "type": "OBJECT",
            "properties": {"c": {"type": "STRING", "enum": ["a", "b"], "description": "d"}},
        },
    ),
    (
        "a schema that holds itself ends",
        {"$defs": {"N": {"type": "object", "properties": {"next": {"$ref": "#/$defs/N"}}}}, "$ref": "#/$defs/N"},
        {"type": "OBJECT", "properties": {"next": {"type": "OBJECT"}}},
    ),
    ("null is nullable", {"type": ["string", "null"]}, {"type": "STRING", "nullable": True}),
    (
        "alternatives",
        {"oneOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}]},
        {"nullable": True, "anyOf": [{"type": "INTEGER"}, {"type": "STRING"}]},
    ),
    ("one alternative", {"anyOf": [{"type": "number"}, {"type": "null"}]}, {"nullable": True, "type": "NUMBER"}),
    ("a constant", {"const": "x"}, {"type": "STRING", "enum": ["x"]}),
    ("numbers have no enum", {"type": "integer", "enum": [1, 2]}, {"type": "INTEGER"}),
    ("unknown formats", {"type": "string", "format": "uri"}, {"type": "STRING"}),
    (
        "allOf",
        {"allOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]}], "type": "object"},
        {"properties": {"a": {"type": "STRING"}}, "required": ["a"], "type": "OBJECT"},
    ),
]


@pytest.mark.parametrize(("schema", "expected"), [row[1:] for row in SCHEMAS], ids=[row[0] for row in SCHEMAS])
def test_schemas_for_google(schema: dict[str, Any], expected: dict[str, Any]) -> None:
    """JSON Schema in the subset that `parameters` and `responseSchema` take."""
    assert to_google(schema) == expected


def test_schemas_from_google() -> None:
    """A Schema, with names in either spelling, as JSON Schema."""
    google = {
        "type": "OBJECT",
        "nullable": True,
        "property_ordering": ["a"],
        "properties": {
            "any_of": {"type": "ARRAY", "items": {"type": "STRING"}, "max_items": "3"},
            "e": {"type": "STRING", "enum": ["x"], "nullable": True},
        },
    }
    assert from_google(google) == {
        "type": ["object", "null"],
        "properties": {
            "any_of": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
            "e": {"type": ["string", "null"], "enum": ["x", None]},
        },
    }
