"""A request that was written for a model, sent to a deployment of it: formats look at the model's own name."""

import msgspec
from msgspec import Raw

_FIELDS = msgspec.json.Decoder(dict[str, Raw])


def with_model(body: bytes, name: str) -> bytes:
    """A body of ours with another `model`; one that has none, since its URL names it, stays as it is."""
    fields = _FIELDS.decode(body)
    if "model" not in fields:
        return body
    return msgspec.json.encode(fields | {"model": Raw(msgspec.json.encode(name))})
