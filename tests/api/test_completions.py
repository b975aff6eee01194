"""`POST /completions` (OPENROUTER.md 6.1): the legacy format over today's models."""

from typing import Any

import pytest

from tests.support import World

PATHS = ("/api/v1/completions", "/v1/completions")
both = pytest.mark.parametrize("path", PATHS)


def complete(well: World, path: str, **fields: Any) -> Any:
    return well.request("POST", path, {"model": "test/echo", "prompt": "One two three.", **fields})


@both
def test_whole(well: World, path: str) -> None:
    """The legacy shape, with the id that its storefront gives."""
    answer = complete(well, path)
    body = answer.json
    assert body["object"] == "text_completion"
    assert body["id"].startswith("gen-" if path.startswith("/api") else "chatcmpl_")
    assert isinstance(body["provider"], str)
    [choice] = body["choices"]
    assert choice["text"] == "One two three."
    assert choice["finish_reason"] == "stop"
    assert choice["logprobs"] is None
    assert body["usage"]["cost"] > 0
    assert well.stage.bodies()[-1]["messages"] == [{"role": "user", "content": "One two three."}]


@both
def test_stream(well: World, path: str) -> None:
    """The same object in each chunk; usage in the last; `[DONE]`."""
    *chunks, done = complete(well, path, stream=True).events
    assert done == "[DONE]"
    assert {chunk["object"] for chunk in chunks} == {"text_completion"}
    assert "".join(choice["text"] for chunk in chunks for choice in chunk["choices"]) == "One two three."
    assert [bool(chunk.get("usage")) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]


@both
@pytest.mark.parametrize("streamed", [False, True])
def test_echo(well: World, path: str, streamed: bool) -> None:
    """`echo` gives the prompt back, once, before the answer; it is not sent to the provider."""
    answer = complete(well, path, echo=True, stream=streamed)
    if streamed:
        text = "".join(choice["text"] for chunk in answer.events[:-1] for choice in chunk["choices"])
    else:
        text = answer.json["choices"][0]["text"]
    assert text == "One two three.One two three."
    assert "echo" not in well.stage.bodies()[-1]


def test_echo_is_no_part_of_chat(well: World) -> None:
    """On the chat URL the field means nothing, and breaks nothing."""
    assert well.chat(model="test/echo", echo=True, content="a").json["choices"][0]["message"]["content"] == "a"


@both
@pytest.mark.parametrize("streamed", [False, True])
def test_logprobs(well: World, path: str, streamed: bool) -> None:
    """A number of alternatives for each token, in the legacy's parallel lists."""
    answer = complete(well, path, logprobs=2, stream=streamed)
    parts = [chunk for chunk in answer.events[:-1] if chunk["choices"]] if streamed else [answer.json]
    found = [part["choices"][0]["logprobs"] for part in parts if part["choices"][0]["logprobs"]]
    assert "".join(token for each in found for token in each["tokens"]) == "One two three."
    assert all(len(tops) == 2 for each in found for tops in each["top_logprobs"])
    sent = well.stage.bodies()[-1]
    assert (sent["logprobs"], sent["top_logprobs"]) == (True, 2)


@both
def test_n_and_best_of(well: World, path: str) -> None:
    """Several choices; `best_of` may not be less than them, nor be streamed."""
    assert len(complete(well, path, n=2).json["choices"]) == 2
    assert len(complete(well, path, n=2, best_of=2).json["choices"]) == 2
    for fields in ({"n": 3, "best_of": 2}, {"best_of": 2, "stream": True}, {"best_of": 9}):
        answer = complete(well, path, **fields)
        assert answer.status == 400
        assert "best_of" in answer.error["message"]


WRONG: tuple[tuple[Any, str], ...] = (
    (None, "is required"),
    ("", "is required"),
    ([], "is required"),
    (["a", "b"], "one request for each"),
    ([1, 2, 3], "token ids"),
    ([[1, 2]], "token ids"),
    (7, "expected a string"),
    ({"a": 1}, "expected a string"),
)


@both
@pytest.mark.parametrize(("prompt", "words"), WRONG, ids=lambda value: str(value)[:16])
def test_wrong_prompts(well: World, path: str, prompt: Any, words: str) -> None:
    """What we can't ask a chat model is refused in words."""
    answer = complete(well, path, prompt=prompt)
    assert answer.status == 400
    assert "prompt" in answer.error["message"]
    assert words in answer.error["message"]


@both
def test_one_prompt_in_a_list(well: World, path: str) -> None:
    """The old client wraps its prompt in a list."""
    assert complete(well, path, prompt=["One."]).json["choices"][0]["text"] == "One."


@both
@pytest.mark.parametrize("streamed", [False, True])
def test_failures(failing: World, path: str, streamed: bool) -> None:
    """Errors are those of chat, before and inside the stream."""
    sent: dict[str, Any] = {"prompt": "Hi.", "stream": streamed}
    assert failing.request("POST", path, {"model": "fail/503", **sent}).status == 502
    if streamed:
        *_, last, done = failing.request("POST", path, {"model": "fail/mid", **sent}).events
        assert done == "[DONE]"
        assert last["error"]["code"] == 502
        assert last["choices"][0]["finish_reason"] == "error"


@both
def test_a_suffix_is_refused(well: World, path: str) -> None:
    """No endpoint takes one: nobody pays for another answer than was asked for. An empty one asks for nothing."""
    before = len(well.received)
    refused = complete(well, path, suffix="The end.")
    assert refused.status == 400
    assert refused.error["message"].startswith("suffix: ")
    assert len(well.received) == before
    assert complete(well, path, suffix="").status == 200
