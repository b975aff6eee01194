"""Files of a request, as documents for Anthropic."""

import pytest

from tollway.wire.anthropic_messages.sources import document_source


@pytest.mark.parametrize("data", ["SGk\u2028", "SGk", "/w=="])
def test_what_is_no_base64_of_a_text_goes_as_it_came(data: str) -> None:
    """A caller may send anything as a file's data; the provider says what it thinks of it."""
    source = document_source(f"data:text/plain;base64,{data}")
    assert source == {"type": "base64", "media_type": "text/plain", "data": data}
