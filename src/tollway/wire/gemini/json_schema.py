"""JSON Schema <-> Google's Schema, the subset of OpenAPI that `parameters` and `responseSchema` take."""

from typing import Any

from tollway.wire.gemini.names import camel

DEPTH_MAX = 32
"""A schema that refers to itself is unrolled no further than this, and no reference goes into itself."""

_KEPT = frozenset(
    {
        "default",
        "description",
        "enum",
        "format",
        "items",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minItems",
        "minLength",
        "minProperties",
        "minimum",
        "nullable",
        "pattern",
        "properties",
        "propertyOrdering",
        "required",
        "title",
        "type",
    }
)
_FORMATS = frozenset({"float", "double", "int32", "int64", "enum", "date-time"})
"""Others are refused: "only 'enum' and 'date-time' are supported for STRING type"."""


def to_google(schema: dict[str, Any]) -> dict[str, Any]:
    """References put in place, alternatives as `anyOf`, null as `nullable`; what Google refuses is left out."""
    return _Writer(schema).write(schema, (), 0)


class _Writer:
    """Knows the whole schema, which references point into."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root

    def write(self, schema: Any, inside: tuple[str, ...], depth: int) -> dict[str, Any]:
        if not isinstance(schema, dict) or depth > DEPTH_MAX:
            return {}
        if isinstance(reference := schema.get("$ref"), str):
            if reference in inside:
                return {"type": "OBJECT"}
            target = self._find(reference)
            others = {name: value for name, value in schema.items() if name != "$ref"}
            return self.write({**target, **others}, (*inside, reference), depth + 1)
        schema = self._merged(schema, inside)
        written: dict[str, Any] = {}
        for name, value in schema.items():
            if name == "properties" and isinstance(value, dict):
                written[name] = {key: self.write(item, inside, depth + 1) for key, item in value.items()}
            elif name == "items" and isinstance(value, dict):
                written[name] = self.write(value, inside, depth + 1)
            elif name in _KEPT and name not in ("type", "enum", "format"):
                written[name] = value
        self._type(schema, written)
        self._alternatives(schema, written, inside, depth)
        return written

    def _merged(self, schema: dict[str, Any], inside: tuple[str, ...]) -> dict[str, Any]:
        """`allOf` laid over one another."""
        for part in schema.get("allOf") or ():
            if isinstance(part, dict) and isinstance(reference := part.get("$ref"), str):
                part = {} if reference in inside else self._find(reference)
            if isinstance(part, dict):
                both = {**part.get("properties", {}), **schema.get("properties", {})}
                required = [*part.get("required", ()), *schema.get("required", ())]
                schema = {**part, **schema, **({"properties": both} if both else {})}
                if required:
                    schema["required"] = list(dict.fromkeys(required))
        return schema

    def _type(self, schema: dict[str, Any], written: dict[str, Any]) -> None:
        kinds = schema.get("type")
        names = [kinds] if isinstance(kinds, str) else [name for name in kinds or () if isinstance(name, str)]
        values = schema["enum"] if isinstance(schema.get("enum"), list) else None
        if "const" in schema:
            values = [schema["const"]]
        if "null" in names or (values is not None and None in values):
            written["nullable"] = True
        names = [name.upper() for name in names if name != "null"]
        if not names and values is not None and all(isinstance(value, str) for value in values if value is not None):
            names = ["STRING"]
        if len(names) == 1:
            written["type"] = names[0]
        elif names:
            written["anyOf"] = [{"type": name} for name in names]
        if values is not None and names == ["STRING"]:
            # "enum: only allowed for STRING type" (Google's error); numbers keep their type alone.
            written["enum"] = [str(value) for value in values if value is not None]
        if schema.get("format") in _FORMATS:
            written["format"] = schema["format"]

    def _alternatives(
        self, schema: dict[str, Any], written: dict[str, Any], inside: tuple[str, ...], depth: int
    ) -> None:
        given = schema.get("anyOf") or schema.get("oneOf")
        if not isinstance(given, list):
            return
        some = [item for item in given if not (isinstance(item, dict) and item.get("type") == "null")]
        if len(some) < len(given):
            written["nullable"] = True
        alternatives = [self.write(item, inside, depth + 1) for item in some]
        if len(alternatives) == 1:
            for name, value in alternatives[0].items():
                written.setdefault(name, value)
        elif alternatives:
            written["anyOf"] = alternatives

    def _find(self, reference: str) -> dict[str, Any]:
        """`#/$defs/City` -> what stands there; an empty schema where nothing does."""
        place: Any = self._root
        for step in reference.removeprefix("#").split("/"):
            if step:
                step = step.replace("~1", "/").replace("~0", "~")
                place = place.get(step) if isinstance(place, dict) else None
        return place if isinstance(place, dict) else {}


def from_google(schema: Any, depth: int = 0) -> dict[str, Any]:
    """A Schema as JSON Schema: types in lower case, `nullable` as a type, Google's own words left out."""
    if not isinstance(schema, dict) or depth > DEPTH_MAX:
        return {}
    written: dict[str, Any] = {}
    nullable = False
    for key, value in schema.items():
        match camel(key):
            case "type" if isinstance(value, str):
                if value != "TYPE_UNSPECIFIED":
                    written["type"] = value.lower()
            case "nullable":
                nullable = value is True
            case "properties" if isinstance(value, dict):
                written["properties"] = {name: from_google(item, depth + 1) for name, item in value.items()}
            case ("items" | "additionalProperties") as name if isinstance(value, dict):
                written[name] = from_google(value, depth + 1)
            case ("anyOf" | "prefixItems") as name if isinstance(value, list):
                written[name] = [from_google(item, depth + 1) for item in value]
            case "defs":
                written["$defs"] = {name: from_google(item, depth + 1) for name, item in dict(value or {}).items()}
            case "ref":
                written["$ref"] = value
            case "propertyOrdering":
                pass
            case "example":
                written["examples"] = [value]
            case name:
                written[name] = int(value) if _is_whole(name, value) else value
    if nullable:
        if isinstance(written.get("type"), str):
            written["type"] = [written["type"], "null"]
        elif "anyOf" in written:
            written["anyOf"] = [*written["anyOf"], {"type": "null"}]
        if isinstance(written.get("enum"), list):
            written["enum"] = [*written["enum"], None]
    return written


def _is_whole(name: str, value: Any) -> bool:
    """Google writes 64-bit numbers as text: "maxItems": "3"."""
    return name.startswith(("min", "max")) and isinstance(value, str) and value.isascii() and value.isdigit()
