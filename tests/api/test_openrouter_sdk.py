"""The official `openrouter` package against /api/v1: its validators are strict, and take every answer of ours."""

import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from openrouter import OpenRouter, errors

from tests.sdks import openrouter
from tests.support import Secret, World, shared
from tollway.domain.identity import LimitReset

HELLO: Any = [{"role": "user", "content": "Say hello."}]
OFFERED = (
    "chat.send",
    "chat.send(stream)",
    "credits.get_credits",
    "datasets.get_app_rankings",
    "embeddings.list_models",
    "endpoints.list",
    "endpoints.list_zdr_endpoints",
    "generations.get_generation",
    "models.get",
    "models.count",
    "models.list",
    "models.list_for_user",
    "presets.create_presets_chat_completions",
    "presets.create_presets_chat_completions(stream)",
    "presets.create_presets_messages",
    "presets.create_presets_messages(stream)",
    "presets.create_presets_responses",
    "presets.create_presets_responses(stream)",
    "presets.get",
    "presets.get_version",
    "presets.list",
    "presets.list_versions",
    "providers.list",
    "api_keys.get_current_key_metadata",
    "responses.send",
    "responses.send(stream)",
)
"""The methods of the package that this release answers (for the script's model, which is one for chat)."""


@pytest.fixture
def sdk(well: World) -> Iterator[OpenRouter]:
    with openrouter(well) as made:
        yield made


def test_chat(sdk: OpenRouter) -> None:
    """A whole answer parses, cost and all."""
    done = sdk.chat.send(model="test/model", messages=HELLO)
    assert done.id.startswith("gen-")
    assert done.usage is not None
    assert isinstance(done.usage.cost, float)
    assert done.usage.cost > 0
    assert done.choices[0].message.content


def test_stream(sdk: OpenRouter) -> None:
    """A stream parses chunk by chunk, through the comments, to the chunk with usage."""
    with sdk.chat.send(model="test/waiting", messages=HELLO, stream=True) as stream:
        chunks = list(stream)
    assert "".join(part.delta.content or "" for chunk in chunks for part in chunk.choices)
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None


@pytest.mark.parametrize("model", ["test/tools", "test/reasoning", "test/refusal"])
@pytest.mark.parametrize("streamed", [False, True])
def test_rich_answers(sdk: OpenRouter, model: str, streamed: bool) -> None:
    """Tool calls, reasoning and refusals parse, whole and streamed."""
    tools: Any = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
    named: dict[str, Any] = {"model": model, "messages": HELLO}
    if model == "test/tools":
        named["tools"] = tools
    if streamed:
        with sdk.chat.send(stream=True, **named) as stream:
            said: list[Any] = [part.delta for chunk in stream for part in chunk.choices]
    else:
        said = [choice.message for choice in sdk.chat.send(**named).choices]
    field = {"test/tools": "tool_calls", "test/reasoning": "reasoning", "test/refusal": "refusal"}[model]
    assert any(getattr(each, field) for each in said)


def test_models(sdk: OpenRouter) -> None:
    """The list, its pages by `links.next`, and one model."""
    listed = sdk.models.list()
    assert listed is not None
    ids = {model.id for model in listed.result.data}
    assert {"test/model", "openai/gpt-4o"} <= ids
    first = sdk.models.list(limit=2)
    assert first is not None
    pages, ids_of_pages = 0, set()
    page: Any = first
    while page is not None:
        pages += 1
        ids_of_pages |= {model.id for model in page.result.data}
        page = page.next()
    assert pages == -(-len(ids) // 2)
    assert ids_of_pages == ids
    assert sdk.models.get(author="openai", slug="gpt-4o").data.id == "openai/gpt-4o"


def test_endpoints(sdk: OpenRouter) -> None:
    """Every endpoint of a model."""
    found = sdk.endpoints.list(author="openai", slug="gpt-4o").data
    assert found.id == "openai/gpt-4o"
    assert sorted(endpoint.tag for endpoint in found.endpoints) == ["a", "b"]


@pytest.mark.parametrize("streamed", [False, True])
def test_generation(well: World, sdk: OpenRouter, streamed: bool) -> None:
    """What an answer's id finds, parses; and says what the answer said."""
    if streamed:
        with sdk.chat.send(model="test/model", messages=HELLO, stream=True) as stream:
            last: Any = list(stream)[-1]
    else:
        last = sdk.chat.send(model="test/model", messages=HELLO)
    well.settled()
    found = sdk.generations.get_generation(id=last.id).data
    assert found.id == last.id
    assert found.model == "test/model"
    assert found.total_cost == pytest.approx(last.usage.cost)
    assert found.tokens_prompt == last.usage.prompt_tokens
    assert found.tokens_completion == last.usage.completion_tokens
    assert found.streamed is streamed
    assert found.provider_responses is not None
    assert [each.status for each in found.provider_responses] == [200]


@pytest.mark.filterwarnings("ignore:warning. .. DEPRECATED")  # the package warns of fields that it still requires
def test_credits_and_key(well: World) -> None:
    """Totals, and the calling key: a limit with its reset, and when it expires."""
    key = well.new_key("sdk", credits_usd="5", limit_usd="2", limit_reset=LimitReset.WEEKLY, expires_in_ms=3_600_000)
    with openrouter(well, key) as sdk:
        sdk.chat.send(model="test/model", messages=HELLO)
        well.settled()
        totals = sdk.credits.get_credits().data
        assert totals.total_credits == 5
        assert 0 < totals.total_usage < 0.01
        known = sdk.api_keys.get_current_key_metadata().data
    assert known.limit == 2
    assert known.limit_reset == "weekly"
    assert known.limit_remaining == pytest.approx(2 - totals.total_usage)
    assert known.usage == known.usage_daily == known.usage_weekly == pytest.approx(totals.total_usage)
    assert known.expires_at is not None
    assert known.label.startswith("sk-or-v1-")
    assert key.secret not in known.label


STATUSES: tuple[tuple[str, dict[str, Any], int], ...] = (
    ("no/such", {}, 400),
    ("test/model", {"temperature": 2, "provider": {"only": ["elsewhere"]}}, 404),
    ("fail/429", {}, 429),
    ("fail/500", {}, 502),
    ("fail/stall", {}, 408),
)


@pytest.mark.parametrize(("model", "fields", "status"), STATUSES, ids=lambda value: str(value)[:20])
def test_errors(failing: World, model: str, fields: dict[str, Any], status: int) -> None:
    """An error of ours is an error of the package's with our message: its body parses, integer code and all."""
    with openrouter(failing) as sdk, pytest.raises(errors.OpenRouterError) as caught:
        sdk.chat.send(model=model, messages=HELLO, **fields)
    assert not isinstance(caught.value, errors.ResponseValidationError), caught.value
    assert caught.value.status_code == status
    assert model.partition("/")[0] != "no" or "no/such" in str(caught.value)


def test_unauthenticated_and_poor(well: World) -> None:
    """401 and 402 have exceptions of their own."""
    nobody = Secret(well.key.key, "sk-or-v1-nobody")
    with openrouter(well, nobody) as sdk, pytest.raises(errors.UnauthorizedResponseError):
        sdk.chat.send(model="test/model", messages=HELLO)
    poor = well.new_key("poor")
    with openrouter(well, poor) as sdk, pytest.raises(errors.PaymentRequiredResponseError):
        sdk.chat.send(model="test/model", messages=HELLO)


def test_error_in_the_stream(failing: World) -> None:
    """A chunk with an error parses: the code is an integer there too."""
    with openrouter(failing) as sdk, sdk.chat.send(model="fail/mid", messages=HELLO, stream=True) as stream:
        chunks = list(stream)
    assert chunks[-1].error is not None
    assert chunks[-1].error.code == 502
    assert chunks[-1].choices[0].finish_reason == "error"


def test_smoke(well: World) -> None:
    """The shared smoke script: what we offer passes, and no answer to any method of the package is invalid."""
    script = shared("tools/openrouter_sdk_smoke.py")
    done = subprocess.run(
        [sys.executable, str(script), f"{well.url}/api/v1", well.key.secret, "-v"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    found: dict[str, str] = {}
    for line in done.stdout.splitlines():
        if match := re.match(r"(PASS|ERR|INVALID-BODY)\s+(\S+)", line):
            found[match[2]] = match[1]
    assert len(found) > 130, done.stdout + done.stderr
    assert [name for name, result in found.items() if result == "INVALID-BODY"] == []
    assert {name: found.get(name) for name in OFFERED} == dict.fromkeys(OFFERED, "PASS")
    assert sorted(name for name, result in found.items() if result == "PASS") == sorted(OFFERED)
    assert done.returncode == 0
