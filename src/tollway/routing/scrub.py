"""What a provider said, fit to be shown: without our credential in any spelling, keys of others, addresses."""

import base64
import re
from urllib.parse import quote

HIDDEN = "[hidden]"
TEXT_MAX = 2_000

_KEY_SHAPED = re.compile(r"\b(?:sk|pk|rk|gsk|xai|key|api|AIza|Bearer|ghp|hf)[-_ ][A-Za-z0-9*._-]{12,}|\bAIza[\w-]{20,}")
_URL = re.compile(r"\bhttps?://\S+")


def scrub(text: str, credential: str) -> str:
    """Providers quote the key that they refuse, and addresses with the key in them (FAULTS.md 4.1)."""
    if credential:
        encoded = base64.b64encode(credential.encode()).decode()
        for spelling in {credential, quote(credential, safe=""), encoded, encoded.rstrip("=")}:
            text = text.replace(spelling, HIDDEN)
    return _URL.sub(HIDDEN, _KEY_SHAPED.sub(HIDDEN, text))[:TEXT_MAX]
