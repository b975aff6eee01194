"""`debug.echo_upstream_body`: what each provider was sent, at the start of the stream, and never a secret."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.support import World, offer, world
from tollway.domain.catalog import WireFormat

SECRET = "sk-upstream-0123456789abcdef"
ECHO: dict[str, Any] = {"stream": True, "debug": {"echo_upstream_body": True}}


@pytest.fixture(scope="module")
def town() -> Iterator[World]:
    with world(
        offer(upstream="m", at=("a", "b")),
        offer("test/claude", at=("c",), speaks=WireFormat.ANTHROPIC_MESSAGES),
        provider={"key": SECRET},
    ) as found:
        yield found


def chunks(town: World, **fields: Any) -> list[Any]:
    """The JSON of each event of a stream."""
    answer = town.chat(**fields)
    assert answer.status == 200, answer.text
    lines = [line[6:] for line in answer.text.splitlines() if line.startswith("data: {")]
    return [json.loads(line) for line in lines]


def test_the_first_chunk_is_what_was_sent(town: World) -> None:
    """Byte for byte the body that the provider got, in a chunk without choices; the answer follows."""
    first, second, *_ = chunks(town, **ECHO, max_tokens=7)
    assert first["choices"] == []
    assert first["object"] == "chat.completion.chunk"
    assert first["debug"] == {"echo_upstream_body": town.stage.bodies()[-1]}
    assert first["debug"]["echo_upstream_body"]["model"] == "m"
    assert second["choices"][0]["delta"]["role"] == "assistant"
    assert "debug" not in second


def test_one_for_each_provider_that_was_tried(town: World) -> None:
    """In their order, before the content of the one who answers."""
    town.script("a", "fail=503")
    found = chunks(town, **ECHO, provider={"order": ["a", "b"]})
    assert [bool(chunk["choices"]) for chunk in found[:3]] == [False, False, True]
    assert [chunk["debug"]["echo_upstream_body"] for chunk in found[:2]] == town.stage.bodies()[-2:]


def test_it_is_the_translated_body(town: World) -> None:
    """Of another format, in that format's words."""
    first, *_ = chunks(town, **ECHO, model="test/claude", max_tokens=9, stop=["x"])
    body = first["debug"]["echo_upstream_body"]
    assert (body["max_tokens"], body["stop_sequences"]) == (9, ["x"])


def test_reasoning_that_is_hidden_hides_no_echo(town: World) -> None:
    """It comes with the first that is shown."""
    first, *_ = chunks(town, **ECHO, reasoning={"exclude": True})
    assert "debug" in first


@pytest.mark.parametrize("fields", [{"stream": True}, {"stream": True, "debug": {"echo_upstream_body": False}}])
def test_nobody_gets_it_unasked(town: World, fields: dict[str, Any]) -> None:
    assert not any("debug" in chunk for chunk in chunks(town, **fields))


def test_only_in_streams(town: World) -> None:
    """A whole answer has no place for it (OPENROUTER.md 3.1)."""
    answer = town.chat(debug={"echo_upstream_body": True})
    assert answer.status == 200
    assert "debug" not in answer.json


def test_our_credential_is_hidden(town: World) -> None:
    """Whatever way it came into the body: what was sent is there, without it."""
    answer = town.chat(**ECHO, content=f"Is it {SECRET}?")
    assert answer.status == 200
    echo = answer.text.partition("\n\n")[0]
    assert "[hidden]" in echo
    assert SECRET not in echo
    assert any(SECRET in json.dumps(body) for body in town.stage.bodies())


def test_responses_have_an_event_of_it(town: World) -> None:
    """`response.debug`, behind the two that begin a stream; OpenAI's own package reads on past it."""
    asked: Any = {"model": "test/claude", "input": "Hi", "max_output_tokens": 9}
    answer = town.request("POST", "/api/v1/responses", {**asked, **ECHO})
    kinds = [each["type"] for each in answer.events if isinstance(each, dict)]
    assert kinds[:3] == ["response.created", "response.in_progress", "response.debug"]
    assert kinds.count("response.debug") == 1
    assert answer.events[2]["debug"] == {"echo_upstream_body": town.stage.bodies()[-1]}
    assert [each["sequence_number"] for each in answer.events if isinstance(each, dict)] == list(range(len(kinds)))
    client = openai.OpenAI(base_url=f"{town.url}/v1", api_key=town.key.secret, max_retries=0)
    with client.responses.stream(model="test/claude", input="Hi", extra_body={"debug": ECHO["debug"]}) as stream:
        assert stream.get_final_response().status == "completed"


def test_a_wrong_type_is_a_400(town: World) -> None:
    assert town.chat(stream=True, debug={"echo_upstream_body": "yes"}).status == 400
