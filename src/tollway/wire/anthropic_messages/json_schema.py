"""A JSON schema as the format takes it: what it does not know becomes words in a description."""

from typing import Any

_KEPT = frozenset(
    {
        "type", "title", "description", "enum", "const", "default", "$ref", "$defs", "definitions", "anyOf", "allOf",
        "properties", "required", "additionalProperties", "items", "prefixItems",
    }
)  # fmt: skip
_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)  # fmt: skip


def fit(schema: Any) -> Any:
    """The schema for `output_config.format`: objects closed, bounds told in words.

    Source: docs, structured outputs, "JSON Schema limitations", and what Anthropic's own client does to schemas.
    """
    if not isinstance(schema, dict):
        return schema
    fitted: dict[str, Any] = {}
    told: list[str] = []
    for name, value in schema.items():
        if name == "oneOf":
            fitted["anyOf"] = [fit(item) for item in value] if isinstance(value, list) else value
        elif (name == "format" and value in _FORMATS) or (name == "minItems" and value in (0, 1)):
            fitted[name] = value
        elif name in ("anyOf", "allOf", "prefixItems") and isinstance(value, list):
            fitted[name] = [fit(item) for item in value]
        elif name in ("properties", "$defs", "definitions") and isinstance(value, dict):
            fitted[name] = {key: fit(item) for key, item in value.items()}
        elif name == "items":
            fitted[name] = fit(value)
        elif name in _KEPT:
            fitted[name] = value
        elif name not in ("$schema", "$id", "$comment"):
            told.append(f"{name}: {value}")
    if fitted.get("type") == "object" or "properties" in fitted:
        fitted["additionalProperties"] = False
    if told:
        words = "{" + ", ".join(told) + "}"
        fitted["description"] = f"{fitted['description']}\n\n{words}" if fitted.get("description") else words
    return fitted
