"""A provider's own words never carry a credential or an address to a caller."""

import base64
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.routing.scrub import TEXT_MAX, scrub

SECRET = "sk-proj-Ab/9+z_very-secret-value="


@pytest.mark.parametrize(
    "text",
    [
        f"Incorrect API key provided: {SECRET}.",
        f"GET /v1beta/models?key={quote(SECRET, safe='')} failed",
        f"Basic {base64.b64encode(SECRET.encode()).decode()} is not allowed",
        "Incorrect API key provided: sk-abcdef**********wxyz.",
        "see https://internal.example:8443/v1?key=AIzaSyA-1234567890abcdefghijk",
    ],
)
def test_credentials_and_addresses_are_hidden(text: str) -> None:
    """Exact, URL-encoded, base64, another's key, and a URL."""
    shown = scrub(text, SECRET)
    assert "[hidden]" in shown
    for trace in (SECRET, quote(SECRET, safe=""), base64.b64encode(SECRET.encode()).decode(), "sk-abc", "https://"):
        assert trace not in shown


def test_ordinary_words_stay() -> None:
    """Nothing of a harmless message is lost."""
    text = "This model's maximum context length is 8192 tokens; you asked for 9000 (key: max_tokens)."
    assert scrub(text, SECRET) == text


def test_each_key_of_a_json_credential_is_hidden() -> None:
    """AWS says which signature it expected, with the session token in it; a region is no secret."""
    credential = (
        '{"accessKeyId": "AKIAIOSFODNN7EXAMPLE", "sessionToken": "IQoJb3JpZ2luX2VjEJr//w==", "region": "us-east-1"}'
    )
    said = "The Canonical String is x-amz-security-token:IQoJb3JpZ2luX2VjEJr//w== AKIAIOSFODNN7EXAMPLE us-east-1"
    assert scrub(said, credential) == "The Canonical String is x-amz-security-token:[hidden] [hidden] us-east-1"
    assert scrub("{ is no JSON", "{ is no") == "[hidden] JSON"


@given(before=st.text(max_size=50), after=st.text(max_size=50), secret=st.text(min_size=8, max_size=60))
def test_no_text_around_it_keeps_a_secret(before: str, after: str, secret: str) -> None:
    """Whatever stands around the credential, it is gone, and the text is bounded."""
    shown = scrub(before + secret + after, secret)
    assert secret not in shown or secret in before + "[hidden]" + after
    assert len(shown) <= TEXT_MAX
