"""Values of every shape that an official client's types allow: each field, each kind of block, each word of an enum."""

import json
from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter

Schema = dict[str, Any]
NESTED_MAX = 9

_SAMPLES: dict[str, Any] = {
    "url": "https://example.com/a.png",
    "uri": "https://example.com/a.png",
    "fileUri": "https://example.com/a.png",
    "image_url": "https://example.com/a.png",
    "file_url": "https://example.com/a.pdf",
    "data": "aGVsbG8=",
    "file_data": "data:application/pdf;base64,aGVsbG8=",
    "mimeType": "image/png",
    "arguments": '{"city":"Paris"}',
    "logprob": -0.5,
    "logProbability": -0.5,
    "display_name": "name",
    "name": "get_weather",
    "logit_bias": {"50256": -100},
    "topK": 40,
    "role": "user",
    "latitude": 0.5,
}
"""Where a name says what kind of string it is."""


SKIPPED = frozenset({"sdkHttpResponse", "automaticFunctionCallingHistory", "parsed"})
"""Fields that a client adds by itself: they are on no wire."""


class Shapes:
    """All shapes of one type. One field is varied at a time, so that their number is a sum and not a product."""

    def __init__(self, kind: Any, *, by_alias: bool = True) -> None:
        self._schema = TypeAdapter(kind).json_schema(by_alias=by_alias)
        self._defs: dict[str, Schema] = self._schema.get("$defs", {})

    def __iter__(self) -> Iterator[Any]:
        seen: set[str] = set()
        for value in self._variants(self._schema, (), "value"):
            text = json.dumps(value, sort_keys=True)
            if text not in seen:
                seen.add(text)
                yield value

    def _variants(self, schema: Schema, path: tuple[str, ...], name: str) -> Iterator[Any]:
        if (reference := schema.get("$ref")) is not None:
            if reference in path or len(path) > NESTED_MAX:
                yield self._minimal(schema, path, name)
            else:
                yield from self._variants(self._target(reference), (*path, reference), name)
        elif branches := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
            for branch in branches:
                if branch.get("type") != "null":
                    yield from self._variants(branch, path, name)
        elif "enum" in schema:
            yield from schema["enum"]
        elif schema.get("type") == "array":
            for item in self._variants(schema.get("items") or {}, path, name):
                yield [item]
        elif properties := schema.get("properties"):
            least = self._minimal(schema, path, name)
            yield least
            for key, inner in properties.items():
                if key in SKIPPED:
                    continue
                for value in self._variants(inner, path, key):
                    yield {**least, key: value}
        else:
            yield self._minimal(schema, path, name)

    def _minimal(self, schema: Schema, path: tuple[str, ...], name: str) -> Any:
        if (reference := schema.get("$ref")) is not None:
            return self._minimal(self._target(reference), (*path, reference), name)
        if branches := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
            return self._minimal(next(b for b in branches if b.get("type") != "null"), path, name)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][0]
        match schema.get("type"):
            case "string":
                return _SAMPLES.get(name, f"some_{name}")
            case "integer":
                return max(schema.get("minimum", 1), 1)
            case "number":
                return _SAMPLES.get(name, 1.0)
            case "boolean":
                return True
            case "array":
                deep = len(path) >= NESTED_MAX or "items" not in schema
                return [] if deep else [self._minimal(schema["items"], path, name)]
            case "object" if "properties" in schema:
                required = schema.get("required", ())
                return {
                    key: self._minimal(inner, path, key)
                    for key, inner in schema["properties"].items()
                    if key in required and len(path) < 2 * NESTED_MAX
                }
            case "object":
                return {"key": "value"}
        return _SAMPLES.get(name, {"any": name})

    def _target(self, reference: str) -> Schema:
        return self._defs[reference.rpartition("/")[2]]
