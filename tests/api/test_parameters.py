"""Every parameter of a chat request (OPENROUTER.md 3.1): what of it reaches a provider, as the simulator saw it."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import fields as struct_fields

from tests.support import World, ask, world
from tollway.domain.chat import ChatRequest

SAME: Any = object()
"""The provider gets it as it came."""
GONE: Any = object()
"""It is for a router: the provider never sees it."""
NOT_BUILT: Any = object()
"""501, which says so: to leave it out in silence would answer another question."""

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
SCHEMA = {
    "type": "json_schema",
    "json_schema": {"name": "s", "strict": True, "schema": {"type": "object", "properties": {}, "required": []}},
}
ROWS: dict[str, tuple[tuple[Any, Any], ...]] = {
    # field: (value, what the provider gets under this name) ...
    "model": (("test/free", "m"),),
    "messages": (
        ([{"role": "user", "content": "a"}], SAME),
        (
            [{"role": "developer", "content": "a"}, {"role": "user", "content": "b", "name": "c"}],
            [{"role": "system", "content": "a"}, {"role": "user", "content": "b", "name": "c"}],
        ),  # an own server may be any: every one knows "system"
        (
            [
                {"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]},
                {"role": "assistant", "content": "b", "reasoning": "c", "reasoning_details": [{"type": "x"}]},
            ],
            [{"role": "user", "content": [{"type": "text", "text": "a"}]}, {"role": "assistant", "content": "b"}],
        ),
    ),
    "prompt": (("a", GONE),),
    "models": ((["test/free"], GONE),),
    "stream": ((True, True), (False, GONE)),
    "stream_options": (({"include_usage": False}, GONE),),
    "max_tokens": ((7, 7),),
    "max_completion_tokens": ((7, 7),),
    "temperature": ((0.5, SAME), (0, SAME), (2, SAME), (None, GONE)),
    "top_p": ((0.5, SAME), (None, GONE)),
    "top_k": ((5, SAME),),
    "min_p": ((0.1, SAME),),
    "top_a": ((0.1, GONE),),
    "frequency_penalty": ((-2, SAME),),
    "presence_penalty": ((2, SAME),),
    "repetition_penalty": ((1.5, SAME),),
    "seed": ((42, SAME), (-1, SAME)),
    "n": ((2, SAME),),
    "stop": (("x", SAME), (["x", "y"], SAME)),
    "logit_bias": (({"50256": -100}, SAME),),
    "logprobs": ((True, SAME),),
    "top_logprobs": ((0, SAME),),
    "response_format": (({"type": "json_object"}, SAME), (SCHEMA, SAME), ({"type": "text"}, SAME)),
    "structured_outputs": ((True, GONE),),
    "tools": (
        ([TOOL], SAME),
        ([{**TOOL, "cache_control": {"type": "ephemeral"}}], [TOOL]),
        ([{"type": "openrouter:web_search"}], NOT_BUILT),
    ),
    "tool_choice": (("auto", SAME), ("any", "required"), ({"type": "function", "function": {"name": "f"}}, SAME)),
    "parallel_tool_calls": ((False, SAME),),
    "reasoning": (({"effort": "high"}, GONE), ({"enabled": True}, GONE)),
    "reasoning_effort": (("high", SAME),),
    "include_reasoning": ((True, GONE),),
    "verbosity": (("low", SAME),),
    "prediction": (({"type": "content", "content": "a"}, SAME),),
    "modalities": ((["text"], SAME), (["text", "image"], SAME)),
    "audio": (({"voice": "alloy", "format": "wav"}, SAME),),
    "image_config": (({"aspect_ratio": "1:1"}, GONE),),
    "plugins": (([], GONE), ([{"id": "web"}], NOT_BUILT)),
    "web_search_options": (({"search_context_size": "low"}, NOT_BUILT),),
    "x_search_filter": (({"from_date": "2026-01-01"}, GONE),),
    "provider": (({"order": ["a"]}, GONE),),
    "route": (("fallback", GONE), ("sort", GONE), (None, GONE)),
    "transforms": (([], GONE),),
    "preset": (("parameters", GONE),),
    "cache_control": (({"type": "ephemeral"}, GONE),),
    "prompt_cache_key": (("k", SAME),),
    "prompt_cache_options": (({"mode": "explicit"}, SAME),),
    "prompt_cache_retention": (("24h", SAME),),
    "safety_identifier": (("s", SAME),),
    "service_tier": (("default", SAME), ("flex", SAME), *((tier, NOT_BUILT) for tier in ("priority", "fast"))),
    "session_id": (("s", GONE),),
    "user": (("someone", ...),),
    "metadata": (({"a": "b"}, GONE),),
    "store": ((False, SAME),),
    "trace": (({"trace_id": "t"}, GONE),),
    "max_tool_calls": ((3, GONE),),
    "stop_server_tools_when": (([{"type": "step_count_is", "step_count": 1}], GONE),),
    "deferred_tools": (({"protocol": "v1"}, NOT_BUILT),),
    "debug": (({"echo_upstream_body": True}, GONE),),
    "usage": (({"include": True}, GONE),),
    "routing": (({"strategy": "cheapest"}, GONE),),
    "functions": (([{"name": "f", "parameters": {}}], SAME),),
    "function_call": (("none", SAME),),
    "suffix": (("", GONE), (None, GONE)),
    "echo": ((True, GONE),),
    "best_of": ((1, GONE),),
    # Unknown ones of the same wire format go along; other gateways' orders do not (FAULTS.md C-8).
    "some_new_parameter": (({"a": [1, None, "é"]}, SAME),),
    "api_base": (("http://evil.example", GONE),),
    "tollway:extra": (({"a": 1}, SAME),),
}
NEEDS: dict[str, dict[str, Any]] = {
    "tool_choice": {"tools": [TOOL]},
    "parallel_tool_calls": {"tools": [TOOL]},
    "top_logprobs": {"logprobs": True},
}
"""What has to come with a parameter."""
CASES = [(name, value, got) for name, rows in ROWS.items() for value, got in rows]
OUT_OF_BOUNDS: tuple[tuple[str, Any], ...] = (
    *(("max_tokens", value) for value in (0, -1, 1.5, "7", 10**9)),
    *(("max_completion_tokens", value) for value in (0, -1)),
    *(("temperature", value) for value in (-0.1, 2.1, "1")),
    *((name, value) for name in ("top_p", "min_p", "top_a") for value in (-0.1, 1.1)),
    *((name, value) for name in ("frequency_penalty", "presence_penalty") for value in (-2.1, 2.1)),
    *(("repetition_penalty", value) for value in (-0.1, 2.1)),
    *(("n", value) for value in (0, 9, -1)),
    *(("top_logprobs", value) for value in (-1, 21)),
    ("top_k", -1),
    ("stop", ["x"] * 17),
    ("logit_bias", {"1": 101}),
    ("session_id", "s" * 257),
    ("metadata", {f"k{number}": "v" for number in range(17)}),
    ("metadata", {"k" * 65: "v"}),
    ("metadata", {"k": "v" * 513}),
    ("metadata", {"k": 1}),
    ("service_tier", "cheap"),
    ("verbosity", "loud"),
    ("reasoning_effort", "huge"),
    ("reasoning", {"effort": "high", "max_tokens": 100}),
    ("response_format", {"type": "xml"}),
    ("response_format", {"type": "json_schema"}),
    ("response_format", {"type": "json_schema", "json_schema": {"name": "n" * 65}}),
    ("tool_choice", "sometimes"),
    ("tool_choice", {"type": "function", "function": {"name": "nobody"}}),
    ("tools", [{"type": "function"}]),
    ("tools", [{"type": "function", "function": {"name": ""}}]),
    ("provider", {"sort": "luck"}),
    ("provider", {"max_price": {"prompt": "much"}}),
    ("provider", {"data_collection": "maybe"}),
    ("stop_server_tools_when", []),
    ("route", "luck"),
    ("suffix", "x"),
)


def test_every_parameter_has_a_row() -> None:
    """A field that is added to ChatRequest wants a row here."""
    fields = {each.encode_name for each in struct_fields(ChatRequest)}
    assert fields - ROWS.keys() == set()


@pytest.mark.parametrize(("name", "value", "expected"), CASES, ids=[f"{name}={str(v)[:16]}" for name, v, _ in CASES])
@pytest.mark.parametrize("path", ["/api/v1/chat/completions", "/v1/chat/completions"])
def test_parameter(well: World, path: str, name: str, value: Any, expected: Any) -> None:
    """Accepted, and forwarded or kept back as the table says."""
    sent = {**ask("test/free"), **NEEDS.get(name, {}), name: value}
    if name == "preset":
        assert well.request("POST", "/api/v1/presets/parameters/chat/completions", ask()).status == 200
    before = len(well.received)
    answer = well.request("POST", path, sent)
    if expected is NOT_BUILT:
        assert answer.status == 501
        assert "not built yet" in answer.error["message"]
        assert len(well.received) == before
        return
    assert answer.status == 200, answer.text
    got = well.stage.bodies()[-1]
    if expected is ...:  # an end user's id leaves as a hash of it with the workspace's
        assert got["user"] != value
        assert len(got["user"]) == 32
    elif expected is GONE:
        assert name not in got
    else:
        assert got[name] == (value if expected is SAME else expected)
    assert got.keys() <= sent.keys() | {"stream_options", "reasoning_effort"}


def test_reasoning_becomes_effort(well: World) -> None:
    """A provider of OpenAI's dialect gets `reasoning_effort` for the `reasoning` object."""
    for asked, effort in (
        ({"effort": "low"}, "low"),
        ({"enabled": True}, "medium"),
        ({"enabled": False}, "none"),
    ):
        assert well.chat(model="test/free", reasoning=asked).status == 200
        assert well.stage.bodies()[-1]["reasoning_effort"] == effort


def test_usage_is_always_asked_for(well: World) -> None:
    """A stream's usage is what we bill by: it is asked for whatever the caller said."""
    assert well.chat(model="test/free", stream=True, stream_options={"include_usage": False}).status == 200
    assert well.stage.bodies()[-1]["stream_options"] == {"include_usage": True}


def test_user_is_hashed_apart_for_each_workspace(well: World) -> None:
    """The same end user of two workspaces is two people to a provider, and always the same one of one."""
    other = well.new_key("hashing", credits_usd="1")
    seen = []
    for headers in (well.key.headers, well.key.headers, other.headers):
        assert well.chat(model="test/free", user="someone", headers=headers).status == 200
        seen.append(well.stage.bodies()[-1]["user"])
    assert seen[0] == seen[1] != seen[2]


def test_parameters_that_an_endpoint_lacks_are_dropped() -> None:
    """Section 3.1: what an endpoint does not list is left out, and nothing is put in its place."""
    with world() as small:
        small.call(
            small.stage.change_endpoints,
            lambda endpoint: msgspec.structs.replace(endpoint, parameters=frozenset({"max_tokens", "temperature"})),
        )
        answer = small.chat(temperature=0.5, top_p=0.5, seed=1, stop="x", logprobs=True, max_completion_tokens=9)
        assert answer.status == 200
        got = small.stage.bodies()[-1]
    assert got.keys() == {"model", "messages", "temperature", "max_tokens"}
    assert got["max_tokens"] == 9


@pytest.mark.parametrize(("name", "value"), OUT_OF_BOUNDS, ids=lambda value: str(value)[:24])
def test_out_of_bounds(well: World, name: str, value: Any) -> None:
    """Out of bounds is a 400 that names the parameter, before anything is sent or charged."""
    before = len(well.received)
    answer = well.chat(model="test/free", **{name: value})
    assert answer.status == 400
    assert answer.error["metadata"]["param"].startswith(name)
    assert name in answer.error["message"]
    assert len(well.received) == before


def test_what_is_not_built_yet_is_described(well: World) -> None:
    """A tier of service whose prices are not known is a 501, and the document says that there is one."""
    answer = well.chat(**ask(service_tier="fast"))
    described = well.request("GET", "/openapi.json").json["paths"]["/api/v1/chat/completions"]["post"]
    assert answer.status == 501
    assert str(answer.status) in described["responses"]
