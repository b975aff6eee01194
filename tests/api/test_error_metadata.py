"""What errors say of providers: the name that is shown, the code and status of each who failed (OPENROUTER.md 12.3)."""

from collections.abc import Iterator

import pytest

from tests.support import World, offer, world

NAME = "A Provider"
OFFERS = (
    offer("test/down", "m@fail=503", at=("a", "b")),
    offer("test/limited", "m@fail=429", at=("a",)),
    offer("test/cut", "m@tokens_per_s=300,after=3,then=error_event", at=("a",)),
)


@pytest.fixture(scope="module")
def named() -> Iterator[World]:
    with world(*OFFERS, provider={"name": NAME}) as running:
        yield running


@pytest.mark.parametrize("path", ["/api/v1/chat/completions", "/v1/chat/completions"])
def test_each_who_failed(named: World, path: str) -> None:
    """The last by name and code; those before him, too, so that nobody has to look up the generation."""
    answer = named.chat(path, model="test/down", provider={"order": ["a", "b"]})
    assert answer.status in (502, 503)
    metadata = answer.error["metadata"]
    assert metadata["provider_name"] == NAME
    assert metadata["provider_code"]
    [before] = metadata["previous_errors"]
    assert before == {"provider": NAME, "code": metadata["provider_code"], "status": 503}


def test_the_only_one(named: World) -> None:
    """Without others there is nobody before."""
    metadata = named.chat(model="test/limited").error["metadata"]
    assert (metadata["provider_name"], metadata["provider_code"]) == (NAME, "rate_limit_exceeded")
    assert "previous_errors" not in metadata


def test_in_the_midst_of_an_answer(named: World) -> None:
    """The event that ends a stream says the same."""
    answer = named.chat(model="test/cut", stream=True)
    assert answer.events[-2]["error"]["metadata"]["provider_name"] == NAME
