"""A value that is valid against a JSON Schema, made by its rules alone."""

from collections.abc import Callable
from typing import Any

from tollway.simulator.pattern import matching

Schema = dict[str, Any]

_DEEP = 6  # below this only what is required is made, so that schemas which hold themselves come to an end
_FORMATS = {
    "date": "2026-01-31",
    "time": "12:30:00Z",
    "date-time": "2026-01-31T12:30:00Z",
    "duration": "PT15M",
    "email": "sim@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.7",
    "ipv6": "2001:db8::7",
    "uri": "https://example.com/simulated",
    "url": "https://example.com/simulated",
    "uuid": "6f1c7a52-0d3e-4b8f-9a21-5c7d8e9f0a1b",
}


def generate(schema: Schema | bool) -> Any:
    """JSON Schema -> a value that it accepts: types, enum, const, bounds, formats, `$ref`, anyOf/oneOf/allOf.

    Best effort for `pattern`; `not`, `if` and `dependent...` are not read.
    """
    return _value(schema, schema if isinstance(schema, dict) else {}, 0)


def _value(schema: Schema | bool, root: Schema, depth: int) -> Any:
    if not isinstance(schema, dict):
        return "simulated"
    schema = _resolved(schema, root, depth)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    match _type_of(schema, depth):
        case "object":
            return _object(schema, root, depth)
        case "array":
            return _array(schema, root, depth)
        case "integer":
            return int(_number(schema, whole=True))
        case "number":
            return _number(schema, whole=False)
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return _string(schema)


def _resolved(schema: Schema, root: Schema, depth: int) -> Schema:
    """The schema with its references followed, its branches chosen and its parts merged."""
    for _ in range(32):  # a chain of references longer than this is a circle
        if isinstance(reference := schema.get("$ref"), str):
            rest = {name: value for name, value in schema.items() if name != "$ref"}
            schema = _merged(_pointed(reference, root), rest)
        elif branches := schema.get("anyOf") or schema.get("oneOf"):
            rest = {name: value for name, value in schema.items() if name not in ("anyOf", "oneOf")}
            schema = _merged(rest, _branch(branches, depth))
        elif parts := schema.get("allOf"):
            schema = {name: value for name, value in schema.items() if name != "allOf"}
            for part in parts:
                schema = _merged(schema, _resolved(part, root, depth) if isinstance(part, dict) else {})
        else:
            return schema
    return {"type": "null"}


def _branch(branches: list[Any], depth: int) -> Schema:
    """The first branch; deep down one that holds nothing else, if there is one."""
    choices = [branch for branch in branches if isinstance(branch, dict)] or [{}]
    if depth >= _DEEP:
        for branch in choices:
            if branch.get("type") not in ("object", "array", None) or "const" in branch or "enum" in branch:
                return branch
    return choices[0]


def _pointed(reference: str, root: Schema) -> Schema:
    """`#/$defs/Name` -> that part of the root schema; an empty schema where there is none."""
    here: Any = root
    for step in reference.removeprefix("#").split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        here = here.get(name) if isinstance(here, dict) else None
    return here if isinstance(here, dict) else {}


def _merged(first: Schema, second: Schema) -> Schema:
    merged = {**first, **second}
    if "properties" in first and "properties" in second:
        merged["properties"] = {**first["properties"], **second["properties"]}
    if "required" in first and "required" in second:
        merged["required"] = [*first["required"], *second["required"]]
    return merged


def _type_of(schema: Schema, depth: int) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = "null" if depth >= _DEEP and "null" in kind else (kind or ["string"])[0]
    if isinstance(kind, str):
        return kind
    if "properties" in schema or "required" in schema:
        return "object"
    if "items" in schema or "prefixItems" in schema:
        return "array"
    if "minimum" in schema or "maximum" in schema or "multipleOf" in schema:
        return "number"
    return "string"


def _object(schema: Schema, root: Schema, depth: int) -> dict[str, Any]:
    properties: dict[str, Any] = schema.get("properties") or {}
    required: list[str] = list(schema.get("required") or ())
    names = [name for name in properties if name in required or depth < _DEEP // 2]
    names += [name for name in required if name not in properties]
    made = {name: _value(properties.get(name, True), root, depth + 1) for name in names}
    extra = schema.get("additionalProperties")
    while len(made) < schema.get("minProperties", 0):
        made[f"extra_{len(made)}"] = _value(extra if isinstance(extra, dict) else True, root, depth + 1)
    return made


def _array(schema: Schema, root: Schema, depth: int) -> list[Any]:
    made = [_value(item, root, depth + 1) for item in schema.get("prefixItems") or ()]
    wanted = max(schema.get("minItems", 0), min(1, schema.get("maxItems", 1)) if depth < _DEEP // 2 else 0)
    items = schema.get("items", True)
    while len(made) < min(wanted, 1000) and items is not False:
        item = _value(items, root, depth + 1)
        made.append(_unlike(item, made) if schema.get("uniqueItems") else item)
    return made


def _unlike(item: Any, others: list[Any]) -> Any:
    """A neighbour of a text or number that is not in the list yet; other values stay as they are."""
    number = len(others)
    if item not in others or isinstance(item, bool):
        return item
    if isinstance(item, str):
        return f"{item}{number}"
    return item + number if isinstance(item, int | float) else item


def _number(schema: Schema, *, whole: bool) -> int | float:
    """A number within its bounds: the lowest that fits, else the highest; 1 (1.5) where there are none."""
    step: int | float = schema.get("multipleOf") or (1 if whole else 0.5)
    floor, floor_open = _bound(schema.get("minimum"), schema.get("exclusiveMinimum"), max)
    ceiling, ceiling_open = _bound(schema.get("maximum"), schema.get("exclusiveMaximum"), min)
    if floor is None and ceiling is None:
        return step if "multipleOf" in schema else (1 if whole else 1.5)
    if floor is None or ceiling is None:
        return (
            _step_up(floor, step, floor_open) if floor is not None else -_step_up(-(ceiling or 0), step, ceiling_open)
        )
    value = _step_up(floor, step, floor_open)
    beyond = value > ceiling or (ceiling_open and value >= ceiling)
    return (floor + ceiling) / 2 if beyond and not whole and "multipleOf" not in schema else value


def _bound(inclusive: Any, exclusive: Any, tighter: Callable[..., Any]) -> tuple[int | float | None, bool]:
    """The tighter of two bounds, and whether it is open. Draft 4 wrote `exclusiveMinimum: true` beside `minimum`."""
    if not _is_number(exclusive):
        return (inclusive if _is_number(inclusive) else None), exclusive is True
    if not _is_number(inclusive) or exclusive == inclusive:
        return exclusive, True
    bound: int | float = tighter(inclusive, exclusive)
    return bound, bound == exclusive


def _step_up(floor: int | float, step: int | float, floor_open: bool) -> int | float:
    """The first multiple of `step` that is not below `floor` (above it, if that is open)."""
    value = -(-floor // step) * step
    return value + step if floor_open and value <= floor else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _string(schema: Schema) -> str:
    if isinstance(pattern := schema.get("pattern"), str) and (text := matching(pattern)) is not None:
        return text
    if (known := _FORMATS.get(schema.get("format", ""))) is not None:
        return known
    text = "simulated"
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    if len(text) < least:
        text = (text + " text") * (min(least, 100_000) // len(text) + 1)
        text = text[:least]
    return text[:most] if most is not None else text
