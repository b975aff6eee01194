"""Presets and requests: what of a request is kept, and what a preset makes of another."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.routing.stage import ask
from tollway.domain.chat import (
    ChatRequest,
    DeveloperMessage,
    Preferences,
    Reasoning,
    SystemMessage,
    TextPart,
    Tool,
    ToolFunction,
    UserMessage,
)
from tollway.domain.errors import InvalidRequest
from tollway.domain.presets import PresetVersion
from tollway.routing.presets import (
    CONFIG,
    CONFIG_BYTES_MAX,
    ONE_CHOICE,
    Applied,
    applied,
    config_of,
    preset_named,
    with_preset,
)

HELLO = (UserMessage("Hello"),)


def preset(request: ChatRequest) -> Applied:
    """A preset made of a request, as a database gives it back."""
    config, prompt = config_of(request)
    config = msgspec.json.decode(msgspec.json.encode(config))
    return applied(PresetVersion("v", "p", 1, prompt, config, "c", 0))


def function(name: str, description: str | None = None) -> Tool:
    return Tool(function=ToolFunction(name, description))


MERGED: tuple[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]], ...] = (
    # what, the preset, the request, what the request then says
    ("silence is filled", {"temperature": 0.5, "seed": 1}, {}, {"temperature": 0.5, "seed": 1}),
    ("the request wins", {"temperature": 0.5, "seed": 1}, {"temperature": 0.0}, {"temperature": 0.0, "seed": 1}),
    ("false is an answer", {"parallel_tool_calls": True}, {"parallel_tool_calls": False},
     {"parallel_tool_calls": False}),
    ("an object is replaced whole", {"provider": Preferences(sort="price", zdr=True)},
     {"provider": Preferences(sort="latency")}, {"provider": Preferences(sort="latency")}),
    ("a limit has two names", {"max_completion_tokens": 900}, {"max_tokens": 5}, {"max_tokens": 5}),
    ("and so has reasoning", {"reasoning": Reasoning(effort="high")}, {"reasoning_effort": "low"},
     {"reasoning_effort": "low"}),
    ("models are fallbacks", {"model": "a/b", "models": ("c/d",)}, {"model": "e/f"},
     {"model": "e/f", "models": ("c/d",)}),
    ("the preset's model", {"model": "a/b", "models": ("c/d",)}, {}, {"model": "a/b", "models": ("c/d",)}),
    ("tools are united", {"tools": (function("a"), function("b"))}, {"tools": (function("c"),)},
     {"tools": (function("a"), function("b"), function("c"))}),
    ("of two tools of a name the request's counts", {"tools": (function("a", "old"), function("b"))},
     {"tools": (function("c"), function("a", "new"))}, {"tools": (function("a", "new"), function("b"), function("c"))}),
    ("server tools are known by their type",
     {"tools": (Tool(type="openrouter:web_search", parameters={"max_results": 1}),)},
     {"tools": (Tool(type="openrouter:web_search", parameters={"max_results": 2}),)},
     {"tools": (Tool(type="openrouter:web_search", parameters={"max_results": 2}),)}),
    ("advisors by their names",
     {"tools": (Tool(type="openrouter:advisor", parameters={"name": "x"}),)},
     {"tools": (Tool(type="openrouter:advisor", parameters={"name": "y"}),)},
     {"tools": (Tool(type="openrouter:advisor", parameters={"name": "x"}),
                Tool(type="openrouter:advisor", parameters={"name": "y"}))}),
    ("custom tools by theirs",
     {"tools": (Tool(type="custom", custom={"name": "x"}),)}, {"tools": (Tool(type="custom", custom={"name": "y"}),)},
     {"tools": (Tool(type="custom", custom={"name": "x"}), Tool(type="custom", custom={"name": "y"}))}),
)  # fmt: skip


@pytest.mark.parametrize(("kept", "own", "expected"), [row[1:] for row in MERGED], ids=[row[0] for row in MERGED])
def test_fields(kept: dict[str, Any], own: dict[str, Any], expected: dict[str, Any]) -> None:
    """The request's fields win, whole; tools are united by what they are."""
    made = preset(ChatRequest(messages=HELLO, **kept))
    assert with_preset(ChatRequest(messages=HELLO, **own), made) == ChatRequest(messages=HELLO, preset="p", **expected)


NAMED: tuple[tuple[dict[str, Any], str | None, str | None], ...] = (
    # the request, the preset that it names, the model that is left where the preset has none
    ({"model": "@preset/x"}, "x", None),
    ({"model": "a/b@preset/x"}, "x", "a/b"),
    ({"model": "a/b:nitro@preset/x"}, "x", "a/b:nitro"),
    ({"model": "a/b", "preset": "x"}, "x", "a/b"),
    ({"preset": "x"}, "x", None),
    ({"model": "@preset/x", "preset": "x"}, "x", None),
    ({"model": "a/b"}, None, "a/b"),
    ({}, None, None),
)


@pytest.mark.parametrize(("fields", "slug", "model"), NAMED)
def test_three_ways_to_name_one(fields: dict[str, Any], slug: str | None, model: str | None) -> None:
    """In `preset`, as the model, or behind one."""
    request = ChatRequest(messages=HELLO, **fields)
    assert preset_named(request) == slug
    if slug is not None:
        assert with_preset(request, preset(ask(model=None))).model == model
        assert with_preset(request, preset(ask(model="its/own"))).model == (model or "its/own")


def test_two_presets() -> None:
    """A request takes one."""
    with pytest.raises(InvalidRequest, match="takes one"):
        preset_named(ChatRequest(model="@preset/x", preset="y"))


def test_system_prompts() -> None:
    """What stands before the conversation is kept; a preset's comes before the request's own."""
    first = (SystemMessage("One."), DeveloperMessage((TextPart("Two."), TextPart("Three."))))
    made = preset(ChatRequest(messages=(*first, *HELLO, SystemMessage("not this"))))
    told = SystemMessage("One.\n\nTwo.\n\nThree.")
    assert made.system == told
    own = (SystemMessage("Mine."), *HELLO)
    assert with_preset(ChatRequest(messages=own), made).messages == (told, *own)
    assert with_preset(ChatRequest(prompt="Hello"), made).messages == (told, *HELLO)
    assert preset(ChatRequest(messages=(SystemMessage(""), *HELLO))).system is None


def test_what_is_kept() -> None:
    """How to answer; not what was asked, for whom, nor how it travels. What only one format says of a tool is left."""
    tool = Tool(function=ToolFunction("f"), native={"defer_loading": True})
    request = ChatRequest(
        messages=HELLO, model="a/b", stream=True, user="u", session_id="s", metadata={"a": "b"}, n=2, tools=(tool,),
        provider=Preferences(sort="price"), extra={"x": msgspec.Raw(b"1")},
    )  # fmt: skip
    assert config_of(request) == (
        {"model": "a/b", "provider": {"sort": "price"}, "tools": ({"type": "function", "function": {"name": "f"}},)},
        None,
    )
    assert set(CONFIG) < set(ChatRequest.__struct_fields__)
    assert all(group < set(CONFIG) for group in ONE_CHOICE)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (ChatRequest(messages=HELLO, model="@preset/x"), "of another"),
        (ChatRequest(messages=HELLO, preset="x"), "of another"),
        (ChatRequest(messages=(SystemMessage("x" * CONFIG_BYTES_MAX), *HELLO)), "at most 256 KiB"),
    ],
    ids=["of a preset", "of a preset by name", "too long"],
)
def test_what_is_refused(request_: ChatRequest, words: str) -> None:
    """A preset of a preset, and one that is a document."""
    with pytest.raises(InvalidRequest, match=words):
        config_of(request_)


def test_a_preset_of_another_release() -> None:
    """What can't be read any more is the caller's to mend, and no 500."""
    with pytest.raises(InvalidRequest, match="save it anew"):
        applied(PresetVersion("v", "p", 1, None, {"temperature": 9}, "c", 0))


VALUES = {
    "temperature": st.floats(0, 2),
    "max_tokens": st.integers(1, 100),
    "max_completion_tokens": st.integers(1, 100),
    "seed": st.integers(0, 9),
    "model": st.sampled_from(["a/b", "c/d"]),
    "tools": st.lists(st.sampled_from("abc").map(function), max_size=3, unique=True).map(tuple),
}
FIELDS = st.fixed_dictionaries({}, optional=VALUES)


@given(kept=FIELDS, own=FIELDS, prompt=st.none() | st.text(min_size=1))
def test_nothing_of_a_request_is_lost(kept: dict[str, Any], own: dict[str, Any], prompt: str | None) -> None:
    """All that a request says stays as it was; what comes to its prompt is within the preset's bytes."""
    system = () if prompt is None else (SystemMessage(prompt),)
    made = preset(ChatRequest(messages=(*system, *HELLO), **kept))
    found = with_preset(ChatRequest(messages=HELLO, preset="x", **own), made)
    for name, value in own.items():
        if name != "tools":
            assert getattr(found, name) == value
    assert set(own.get("tools", ())) <= set(found.tools or ())
    assert found.messages[-1:] == HELLO
    told = "".join(str(each.content) for each in found.messages[:-1])
    assert len(told.encode()) <= made.bytes
    if not {"max_tokens", "max_completion_tokens"}.isdisjoint(own):
        assert found.output_limit == ChatRequest(**own).output_limit
