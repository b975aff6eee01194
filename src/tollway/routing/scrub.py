"""What a provider said, fit to be shown: without our credential in any spelling, keys of others, addresses."""

import base64
import re
from collections.abc import Iterator
from urllib.parse import quote

import msgspec

HIDDEN = "[hidden]"
TEXT_MAX = 2_000
SECRET_CHARS_MIN = 16
"""AWS's access key ids have at least as many; its secrets and session tokens have more."""

_KEY_SHAPED = re.compile(r"\b(?:sk|pk|rk|gsk|xai|key|api|AIza|Bearer|ghp|hf)[-_ ][A-Za-z0-9*._-]{12,}|\bAIza[\w-]{20,}")
_URL = re.compile(r"\bhttps?://\S+")


def scrub(text: str, credential: str) -> str:
    """Providers quote the key that they refuse, and addresses with the key in them (FAULTS.md 4.1)."""
    return _URL.sub(HIDDEN, _KEY_SHAPED.sub(HIDDEN, without_credential(text, credential)))[:TEXT_MAX]


def without_credential(text: str, credential: str) -> str:
    """A text in which our credential, in any spelling, is hidden; the rest is as it was."""
    for secret in _secrets(credential):
        encoded = base64.b64encode(secret.encode()).decode()
        for spelling in {secret, quote(secret, safe=""), encoded, encoded.rstrip("=")}:
            text = text.replace(spelling, HIDDEN)
    return text


def _secrets(credential: str) -> Iterator[str]:
    """The credential, and what a JSON object of keys holds; short values are names of regions and the like."""
    if credential:
        yield credential
    if credential.lstrip().startswith("{"):
        try:
            values = msgspec.json.decode(credential, type=dict[str, object]).values()
        except msgspec.MsgspecError:
            return
        yield from (value for value in values if isinstance(value, str) and len(value) >= SECRET_CHARS_MIN)
