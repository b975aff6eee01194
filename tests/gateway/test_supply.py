"""Where the market comes from, when the database does not answer for a moment."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from tollway.config import Config, ProviderConfig
from tollway.domain.catalog import Catalog, ProviderInfo, WireFormat
from tollway.gateway import supply as supplying
from tollway.gateway.live import live_providers, own_servers
from tollway.gateway.supply import Supply
from tollway.providers.sigv4 import sigv4
from tollway.storage.database import StorageError


def test_own_servers_are_asked_again_after_the_database_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The job goes on: it used to end at the first failure, and a server's new models were never seen again."""
    asked: list[str] = []

    class Stubborn(Supply):
        async def list_server(self, provider: ProviderConfig) -> int:
            asked.append(provider.slug)
            if len(asked) == 1:
                raise StorageError("reading failed: disk I/O error")
            return 1

    reloaded = asyncio.Event()

    async def scene() -> None:
        config = Config(providers=(ProviderConfig(slug="own", base_url="http://127.0.0.1:9/v1"),))
        supply = Stubborn(config, None, None, None)  # type: ignore[arg-type]  # none is reached

        async def reload() -> None:
            reloaded.set()

        job = asyncio.ensure_future(_list(supply, reload))
        done, _ = await asyncio.wait(
            {job, asyncio.ensure_future(reloaded.wait())}, timeout=60.0, return_when="FIRST_COMPLETED"
        )
        assert job not in done, job
        assert reloaded.is_set()
        job.cancel()
        await asyncio.gather(job, return_exceptions=True)

    monkeypatch.setattr(supplying, "LIST_EVERY_S", 0.01)
    asyncio.run(scene())
    assert asked[:2] == ["own", "own"]


BEDROCK = ProviderInfo(
    "amazon-bedrock",
    "Amazon Bedrock",
    "https://bedrock-runtime.${AWS_REGION}.amazonaws.com",
    WireFormat.BEDROCK_CONVERSE,
    ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_BEARER_TOKEN_BEDROCK"),
)
AWS = {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "s"}
JSON_KEYS = '{"accessKeyId": "A", "secretAccessKey": "s", "region": "eu-west-1"}'


@pytest.mark.parametrize(
    ("environment", "key", "base_url"),
    [
        (AWS | {"AWS_REGION": "us-east-1"}, None, "https://bedrock-runtime.us-east-1.amazonaws.com"),
        (AWS | {"AWS_DEFAULT_REGION": "us-east-2"}, None, "https://bedrock-runtime.us-east-2.amazonaws.com"),
        ({"AWS_REGION": "us-east-1"}, JSON_KEYS, "https://bedrock-runtime.eu-west-1.amazonaws.com"),
        ({"AWS_REGION": "us-east-1"}, "ABSK", "https://bedrock-runtime.us-east-1.amazonaws.com"),
        (AWS, None, None),
        ({"AWS_ACCESS_KEY_ID": "A", "AWS_REGION": "us-east-1"}, None, None),
        ({}, "ABSK", None),
    ],
)
def test_bedrocks_region_is_its_keys(environment: dict[str, str], key: str | None, base_url: str | None) -> None:
    """The address has the region of the keys, else of the environment; without region or secret it is not live."""
    mine = (ProviderConfig(slug="amazon-bedrock", key=key),) if key else ()
    catalog = Catalog({}, {}, {BEDROCK.slug: BEDROCK}, {})
    providers, credentials, *_ = live_providers(catalog, Config(providers=mine, environment=environment), None)
    live = providers.get(BEDROCK.slug)
    assert (live and live.base_url) == base_url
    assert (BEDROCK.slug in credentials) is (live is not None)
    assert live is None or live.auth is sigv4


@pytest.mark.parametrize(
    ("mine", "facts"),
    [
        ({"key": "k"}, (False, True)),
        ({"key": "k", "retains": False}, (False, False)),
        ({"base_url": "http://127.0.0.1:1/v1"}, (None, None)),
        ({"base_url": "http://127.0.0.1:1/v1", "trains": False, "retains": False}, (False, False)),
    ],
)
def test_what_is_known_of_prompts(mine: dict[str, Any], facts: tuple[bool | None, bool | None]) -> None:
    """What is publicly known, your contract over it; of a server that stands elsewhere, what you say alone."""
    info = ProviderInfo("openai", "OpenAI", "https://api.openai.com/v1", WireFormat.OPENAI_CHAT, ("OPENAI_API_KEY",))
    catalog = Catalog({}, {}, {"openai": info}, {})
    providers, *_ = live_providers(catalog, Config(providers=(ProviderConfig("openai", **mine),)), None)
    found = providers["openai"].facts
    assert (found.trains, found.retains) == facts


KEY = {"SAMBANOVA_API_KEY": "k"}


@pytest.mark.parametrize(
    ("environment", "blocks", "expected"),
    [
        ({}, (), []),
        (KEY, (), ["sambanova"]),
        (KEY, (ProviderConfig("sambanova", free=True),), ["sambanova"]),
        ({}, (ProviderConfig("sambanova", key="k"),), ["sambanova"]),
        ({}, (ProviderConfig("sambanova"),), []),
        ({}, (ProviderConfig("ollama"), ProviderConfig("groq", key="k")), ["ollama"]),
        ({"GROQ_API_KEY": "k"}, (ProviderConfig("mine", base_url="http://127.0.0.1:9"),), ["mine"]),
    ],
)
def test_who_is_asked_for_models(
    environment: dict[str, str], blocks: tuple[ProviderConfig, ...], expected: list[str]
) -> None:
    """Servers with an address, local ones by their slug, and providers that only list, once they have a key: by the
    environment or by a block, which stays in force."""
    found = list(own_servers(Config(providers=blocks, environment=environment)))
    assert [mine.slug for mine in found] == expected
    assert all(mine in found for mine in blocks if mine.slug in expected)


async def _list(supply: Supply, reload: object) -> None:
    job: Awaitable[None] = supply.list_servers(reload)  # type: ignore[arg-type]  # what it returns is not looked at
    await job
