"""Google's spellings made equal: snake_case becomes camelCase, one object a list of one, 40.0 a whole number."""

import re
from typing import Any

_UNDERSCORE = re.compile(r"(?<=[A-Za-z0-9])_+([a-z0-9])")

OPAQUE = frozenset(
    {
        "args",
        "customConfigs",
        "labels",
        "parameters",
        "parametersJsonSchema",
        "partMetadata",
        "response",
        "responseJsonSchema",
        "responseSchema",
        "routing",
    }
)
"""Fields whose inside is the caller's own: names in there are data (`routing` is ours, and spelled so)."""

REPEATED = frozenset({"contents", "functionDeclarations", "parts", "safetySettings", "tools"})
"""Lists that Google also takes as the one object that they would hold (recorded: `tools`, and a part in its docs)."""


def camel(name: str) -> str:
    """`thought_signature` -> `thoughtSignature`: protobuf's JSON takes both (protobuf.dev, "ProtoJSON Format")."""
    return _UNDERSCORE.sub(lambda found: found.group(1).upper(), name) if "_" in name else name


def made_equal(value: Any) -> Any:
    """A decoded body with every field under its camelCase name; the recursion is bounded by NESTING_MAX."""
    if isinstance(value, dict):
        fields: dict[str, Any] = {}
        for key, item in value.items():
            name = camel(key)
            if name not in OPAQUE:
                item = made_equal(item)
            fields[name] = [item] if name in REPEATED and isinstance(item, dict) else item
        return fields
    if isinstance(value, list):
        return [made_equal(item) for item in value]
    # "topK": 40.0 is what Google's own SDK sends.
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value
