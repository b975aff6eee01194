"""From a credential to a provider's socket: Vertex's tokens, Azure's deployments, servers of any format."""

import asyncio
import base64
import json
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from tests.first_start import TOKENIZER
from tests.gateway.company import Asked, Company, company
from tests.providers.accounts import KEY, service_account
from tests.support import PATIENCE_S
from tollway.api.house import House
from tollway.app import running
from tollway.config import Config, ModelConfig, ProviderConfig, Server, Storage
from tollway.domain.catalog import WireFormat
from tollway.identity.keys import issue_key
from tollway.storage.keys import create_workspace, insert_key

MESSAGE: Any = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [{"type": "text", "text": "Hello."}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 5, "output_tokens": 2},
}
GEMINI: Any = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "Hello."}]}, "finishReason": "STOP", "index": 0}],
    "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 2, "totalTokenCount": 7},
}
COMPLETION: Any = {
    "id": "c",
    "object": "chat.completion",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
}


def answer(asked: Asked) -> tuple[int, Any]:
    """What Google, Azure, Anthropic and OpenAI would say, by the path."""
    if asked.path == "/token":
        return 200, {"access_token": "ya29.token", "expires_in": 3599, "token_type": "Bearer"}
    if asked.method == "GET":
        return 404, {"error": {"message": "no list"}}
    path = asked.path.partition("?")[0]
    if path.endswith(("ateContent", "Predict", "/messages")):
        return 200, GEMINI if path.endswith("ateContent") else MESSAGE
    return 200, COMPLETION


class Caller:
    """Someone with a key and credits."""

    def __init__(self, house: House, client: httpx.AsyncClient) -> None:
        self.house = house
        self._client = client

    async def ask(
        self,
        model: str,
        provider: str,
        path: str = "/api/v1/chat/completions",
        *,
        headers: Mapping[str, str] | Mapping[bytes, bytes] | None = None,
        **fields: Any,
    ) -> httpx.Response:
        messages = [{"role": "user", "content": "Hi"}]
        body = {"model": model, "max_tokens": 50, "messages": messages, "provider": {"only": [provider]}, **fields}
        return await self._client.post(path, json=body, headers=headers)


@asynccontextmanager
async def serving(*providers: ProviderConfig, **environment: str) -> AsyncIterator[Caller]:
    """A server with the shipped catalog, these blocks and these variables."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        config = Config(
            server=Server(port=0), storage=Storage(data_dir=folder), providers=providers, environment=environment
        )
        async with running(config, tokenizer=TOKENIZER) as (house, _):
            now_ms = house.gateway.now_ms()
            await create_workspace(house.database, "home", "home", now_ms)
            key, secret = issue_key(workspace_id="home", name="t", pepper=house.pepper, now_ms=now_ms)
            await insert_key(house.database, key)
            await house.gateway.books.grant("home", 10**11, "t", "t", now_ms)
            async with httpx.AsyncClient(
                timeout=PATIENCE_S,
                base_url=f"http://127.0.0.1:{house.port}",
                headers={"authorization": f"Bearer {secret}"},
            ) as client:
                yield Caller(house, client)


def play(scene: Callable[[], Any]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(120):
            await scene()

    asyncio.run(bounded())


def posts(there: Company) -> list[Asked]:
    return [each for each in there.asked if each.method == "POST" and each.path != "/token"]


def test_vertex() -> None:
    """One signed question for a token, then Gemini and Claude, each at its place and in its words."""

    async def scene() -> None:
        async with company(answer) as google:
            account = service_account(f"{google.url}/token")
            place = f"{google.url}/v1/projects/p/locations/eu/publishers"
            blocks = (
                ProviderConfig("google-vertex", base_url=f"{place}/google", key=account, models_url=google.url),
                ProviderConfig("google-vertex-anthropic", base_url=f"{place}/anthropic", key=account),
            )
            async with serving(*blocks) as caller:
                gemini = await caller.ask("google/gemini-2.5-flash", "google-vertex")
                claude = await caller.ask(
                    "anthropic/claude-haiku-4.5",
                    "google-vertex-anthropic",
                    headers={"anthropic-beta": "context-1m-2025-08-07"},
                )
                assert [each.json()["choices"][0]["message"]["content"] for each in (gemini, claude)] == ["Hello."] * 2
            [exchange] = [each for each in google.asked if each.path == "/token"]
            head, claims, signature = parse_qs(exchange.body.decode())["assertion"][0].split(".")
            KEY.public_key().verify(_decoded(signature), f"{head}.{claims}".encode(), PKCS1v15(), SHA256())
            assert json.loads(_decoded(claims))["aud"] == f"{google.url}/token"
            first, second = posts(google)
            assert first.path == "/v1/projects/p/locations/eu/publishers/google/models/gemini-2.5-flash:generateContent"
            assert second.path == (
                "/v1/projects/p/locations/eu/publishers/anthropic/models/claude-haiku-4-5@20251001:rawPredict"
            )
            assert {each.headers["authorization"] for each in (first, second)} == {"Bearer ya29.token"}
            assert second.json["anthropic_version"] == "vertex-2023-10-16"
            assert "model" not in second.json
            assert second.headers["anthropic-beta"] == "context-1m-2025-08-07"
            assert "anthropic-beta" not in first.headers

    play(scene)


def test_vertex_refuses_the_account() -> None:
    """A fault of the endpoint's credential: the caller learns that we have none, and nothing of the account."""

    def refuse(asked: Asked) -> tuple[int, Any]:
        return 400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}

    async def scene() -> None:
        async with company(refuse) as google:
            account = service_account(f"{google.url}/token")
            base_url = f"{google.url}/publishers/google"
            async with serving(ProviderConfig("google-vertex", base_url=base_url, key=account)) as caller:
                told = await caller.ask("google/gemini-2.5-flash", "google-vertex")
                assert told.status_code == 502
                assert "refused this server's credential" in told.json()["error"]["message"]
                assert "grant" not in told.text
            assert posts(google) == []

    play(scene)


def test_vertex_asks_again_when_its_token_is_refused() -> None:
    """A token that was revoked is not used twice."""
    accepted: list[str] = []

    def reply(asked: Asked) -> tuple[int, Any]:
        if asked.path == "/token":
            accepted.append(f"token-{len(accepted)}")
            return 200, {"access_token": accepted[-1], "expires_in": 3600}
        if asked.method == "GET":
            return 404, {}
        if asked.headers["authorization"] != "Bearer token-1":
            return 401, {"error": {"code": 401, "message": "expired token-0", "status": "UNAUTHENTICATED"}}
        return 200, GEMINI

    async def scene() -> None:
        async with company(reply) as google:
            account = service_account(f"{google.url}/token")
            block = ProviderConfig("google-vertex", base_url=f"{google.url}/g", key=account)
            async with serving(block) as caller:
                first = await caller.ask("google/gemini-2.5-flash", "google-vertex")
                assert (first.status_code, "token-0" in first.text) == (502, False)
                assert (await caller.ask("google/gemini-2.5-flash", "google-vertex")).status_code == 200

    play(scene)


def test_azure_by_configuration() -> None:
    """The names are the operator's; what was not deployed is not sold, and says so."""

    async def scene() -> None:
        async with company(answer) as azure:
            block = ProviderConfig(
                "azure",
                base_url=f"{azure.url}/openai/v1",
                key="azure-key",
                variables={"AZURE_API_VERSION": "2024-10-21"},
                deployments={"openai/gpt-4o": "prod 4o"},
            )
            async with serving(block) as caller:
                good = await caller.ask("openai/gpt-4o", "azure")
                assert good.json()["provider"] == "Azure"
                other = await caller.ask("openai/gpt-4o-mini", "azure")
                assert other.status_code == 404
                assert "no deployment of it at azure" in other.text
            [asked] = posts(azure)
            assert asked.path == "/openai/deployments/prod%204o/chat/completions?api-version=2024-10-21"
            assert (asked.headers["api-key"], asked.json["model"]) == ("azure-key", "prod 4o")
            assert "authorization" not in asked.headers

    play(scene)


def test_azure_by_openrouters_json() -> None:
    """Each entry has its own address and key; one that the catalog does not sell is said in the log, not sold."""

    async def scene() -> None:
        async with company(answer) as azure:

            def entry(model: str, name: str) -> dict[str, str]:
                where = f"{azure.url}/openai/deployments/{name}/chat/completions?api-version=1"
                return {"model_slug": model, "endpoint_url": where, "api_key": f"key of {name}", "model_id": name}

            entries = [entry("openai/gpt-4o", "big"), entry("openai/gpt-4o-mini", "small"), entry("no/such", "none")]
            block = ProviderConfig("azure", base_url=azure.url, key=json.dumps(entries))
            async with serving(block) as caller:
                for model in ("openai/gpt-4o", "openai/gpt-4o-mini"):
                    assert (await caller.ask(model, "azure")).status_code == 200
            assert [(each.path, each.headers["api-key"], each.json["model"]) for each in posts(azure)] == [
                (f"/openai/deployments/{name}/chat/completions?api-version=1", f"key of {name}", name)
                for name in ("big", "small")
            ]

    play(scene)


def test_a_deployment_is_still_its_model() -> None:
    """What a model takes is known by its own name, whatever its deployment is called: here, whether it knows effort."""

    async def scene() -> None:
        async with company(answer) as azure:
            models = ("anthropic/claude-opus-4.6", "anthropic/claude-haiku-4.5")
            block = ProviderConfig(
                "azure-anthropic",
                base_url=f"{azure.url}/anthropic/v1",
                key="k",
                deployments={model: f"my-{number}" for number, model in enumerate(models)},
            )
            async with serving(block) as caller:
                for model in models:
                    told = await caller.ask(model, "azure-anthropic", verbosity="low")
                    assert told.status_code == 200, told.text
            new, old = posts(azure)
            assert (new.path, new.headers["x-api-key"]) == ("/anthropic/v1/messages", "k")
            assert [new.json["model"], old.json["model"]] == ["my-0", "my-1"]
            assert new.json["output_config"] == {"effort": "low"}
            assert "output_config" not in old.json

    play(scene)


LISTS = {
    WireFormat.OPENAI_CHAT: {"object": "list", "data": [{"id": "one"}]},
    WireFormat.ANTHROPIC_MESSAGES: {"data": [{"type": "model", "id": "one"}], "has_more": False},
    WireFormat.GEMINI: {"models": [{"name": "models/one", "inputTokenLimit": 9000}]},
}


@pytest.mark.parametrize(
    ("speaks", "listed_at", "path", "header", "value"),
    [
        (WireFormat.OPENAI_CHAT, "/v1/models", "/v1/chat/completions", "authorization", "Bearer k"),
        (WireFormat.ANTHROPIC_MESSAGES, "/v1/models?limit=1000", "/v1/messages", "x-api-key", "k"),
        (WireFormat.GEMINI, "/v1/models?pageSize=1000", "/v1/models/one:generateContent", "x-goog-api-key", "k"),
    ],
)
def test_a_server_of_ones_own(speaks: WireFormat, listed_at: str, path: str, header: str, value: str) -> None:
    """Its models are listed as its format lists them, and asked with the format's header."""

    def reply(asked: Asked) -> tuple[int, Any]:
        return (200, LISTS[speaks]) if asked.method == "GET" else answer(asked)

    async def scene() -> None:
        async with company(reply) as own:
            block = ProviderConfig("own", base_url=f"{own.url}/v1", key="k", speaks=speaks, free=True)
            async with serving(block) as caller:
                while not (found := caller.house.gateway.market.offer("own/one")) or not found.live:  # noqa: ASYNC110  # a test may poll
                    await asyncio.sleep(0.01)
                assert (await caller.ask("own/one", "own")).json()["choices"][0]["message"]["content"] == "Hello."
            assert own.paths("GET") == [listed_at]
            [asked] = posts(own)
            assert (asked.path, asked.headers[header]) == (path, value)

    play(scene)


def test_another_header_for_the_key() -> None:
    """`auth` puts the key where a gateway of one's own wants it."""

    async def scene() -> None:
        async with company(answer) as own:
            model = ModelConfig("own/m", free=True)
            block = ProviderConfig(
                "own",
                base_url=own.url,
                key="k",
                speaks=WireFormat.ANTHROPIC_MESSAGES,
                auth="authorization",
                models=(model,),
            )
            async with serving(block) as caller:
                assert (await caller.ask("own/m", "own")).status_code == 200
            [asked] = posts(own)
            assert asked.headers["authorization"] == "Bearer k"
            assert "x-api-key" not in asked.headers

    play(scene)


@pytest.mark.parametrize("path", ["/api/v1/chat/completions", "/v1/messages"])
def test_betas(path: str) -> None:
    """Both headers together, each name once, in order; a name that is none is a 400 and reaches nobody."""

    async def scene() -> None:
        async with company(answer) as own:
            block = ProviderConfig(
                "own", base_url=own.url, speaks=WireFormat.ANTHROPIC_MESSAGES, models=(ModelConfig("own/m", free=True),)
            )
            async with serving(block) as caller:
                given = {"anthropic-beta": "a-1, b.2,,a-1", "x-anthropic-beta": "c_3"}
                good = await caller.ask("own/m", "own", path, headers=given)
                assert good.status_code == 200
                for wrong in ("a b", "x" * 101, ",".join(f"n{number}" for number in range(33)), "-a", "ä"):
                    refused = await caller.ask(
                        "own/m", "own", path, headers={b"anthropic-beta": wrong.encode("latin-1")}
                    )
                    assert refused.status_code == 400
                    assert "anthropic-beta" in refused.text
            [asked] = posts(own)
            assert asked.headers["anthropic-beta"] == "a-1,b.2,c_3"

    play(scene)


def test_a_provider_that_the_catalog_does_not_know_is_listed() -> None:
    """A value of the registry, a key in the environment: its models are asked for, and sold at the prices it names."""
    price = {"prompt": "0.000001", "completion": "0.000002"}

    def reply(asked: Asked) -> tuple[int, Any]:
        return (200, {"data": [{"id": "one", "pricing": price}]}) if asked.method == "GET" else answer(asked)

    async def scene() -> None:
        async with company(reply) as samba:
            block = ProviderConfig("sambanova", base_url=f"{samba.url}/v1")
            async with serving(block, SAMBANOVA_API_KEY="samba-key") as caller:
                while not (found := caller.house.gateway.market.offer("sambanova/one")) or not found.live:  # noqa: ASYNC110  # a test may poll
                    await asyncio.sleep(0.01)
                assert (await caller.ask("sambanova/one", "sambanova")).json()["provider"] == "SambaNova"
            assert {each.headers["authorization"] for each in samba.asked} == {"Bearer samba-key"}

    play(scene)


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
