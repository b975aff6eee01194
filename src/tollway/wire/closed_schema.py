"""JSON schemas for answers: closed as Anthropic and Bedrock take them, and the tool that stands in for one."""

from typing import Any

STRUCTURED_TOOL = "tollway_structured_output"
"""The tool whose call is the answer, where a provider or model knows no JSON schema for its answers."""

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
    """The schema with objects closed, and what is not known to them told in words in a description.

    Source: Anthropic's docs, structured outputs, "JSON Schema limitations", and what its own client does to schemas;
    Bedrock's user guide, "Structured outputs", has the same limits.
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
