"""Providers: who is live and what the others want, and servers of one's own, by three lines or by asking them."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from tests.cli.desk import Desk, run, until
from tests.gateway.company import company
from tests.providers.accounts import SERVICE_ACCOUNT
from tests.support import PATIENCE_S
from tollway.api.house import House
from tollway.cli import catalog_commands, providers
from tollway.cli.control import office
from tollway.config import ConfigError, load
from tollway.gateway.office import CreateKey
from tollway.gateway.server_lists import guess_slug
from tollway.simulator import Simulator

LOCAL_MODELS = ("llama3.2:3b", "qwen2.5-coder:7b")


async def add(desk: Desk, url: str, **said: str | bool | None) -> None:
    """`tollway providers add URL --yes`."""
    ask: dict[str, str | bool | None] = {"slug": None, "name": None, "key": None, "key_env": None, "models_url": None}
    ask |= {"free": False, "yes": True} | said
    await providers.add(desk.file, url, **ask)  # type: ignore[arg-type]  # a mapping can't say which value is a bool


async def listed(desk: Desk) -> dict[str, tuple[bool, str]]:
    """`tollway providers list --json`: slug -> live, why."""
    await providers.list_providers(desk.file, live=False, as_json=True)
    return {each["slug"]: (each["live"], each["why"]) for each in desk.json()}


async def ask_model(house: House, desk: Desk, model: str, provider: str) -> httpx.Response:
    """A chat request to one provider, with a key that has no credits."""
    async with office(load(desk.file)) as operator:
        key = (await operator.create_key(CreateKey("test", "default"))).key
    async with httpx.AsyncClient(timeout=PATIENCE_S, base_url=f"http://127.0.0.1:{house.port}") as client:
        body = {"model": model, "messages": [{"role": "user", "content": "Hello"}], "provider": {"only": [provider]}}
        return await client.post("/api/v1/chat/completions", json=body, headers={"Authorization": f"Bearer {key}"})


def test_each_provider_says_what_it_wants(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Live with a key; otherwise the variables to set, the missing format, or the missing address."""
    monkeypatch.setenv("GROQ_API_KEY", "x")
    monkeypatch.setenv("AZURE_API_KEY", "x")
    desk.configure('[[providers]]\nslug = "opnai"\n[[providers]]\nslug = "mine"\nbase_url = "http://127.0.0.1:1/v1"\n')
    found = run(listed(desk))
    assert found["groq"] == (True, "its key is set")
    assert found["openai"] == (False, "set OPENAI_API_KEY")
    assert found["azure"] == (False, "set AZURE_RESOURCE_NAME")
    assert found["opnai"] == (False, "the catalog has no such provider: give it a base_url, or correct its slug")
    assert found["mine"] == (False, "its models are listed when the server starts")
    assert not any(live for slug, (live, _) in found.items() if slug != "groq")
    assert all(why for _, why in found.values())
    run(providers.list_providers(desk.file, live=True, as_json=False))
    said = desk.said()
    assert "groq Groq yes" in said
    assert "1 of 142 providers are live." in re.sub(r"of \d+", "of 142", said)


def test_what_credentials_say(desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file for Vertex is enough, and a bad one says why; deployments are counted; local servers need a block."""
    file = tmp_path / "vertex.json"
    file.write_text(SERVICE_ACCOUNT)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    monkeypatch.setenv("SAMBANOVA_API_KEY", "x")
    desk.configure(
        '[[providers]]\nslug = "azure"\nkey = "k"\nvariables = { AZURE_RESOURCE_NAME = "r" }\n'
        'deployments = { "openai/gpt-4o" = "mine" }\n[[providers]]\nslug = "azure-anthropic"\nkey = "{}"\n'
    )
    found = run(listed(desk))
    for slug in ("google-vertex", "google-vertex-anthropic"):
        assert found[slug] == (True, "its key is set")
    assert found["azure"] == (True, "deployments: 1")
    live, why = found["azure-anthropic"]
    assert not live
    assert "Azure's form" in why
    assert found["sambanova"] == (False, "its models are listed when the server starts")
    assert found["vllm"] == (
        False,
        'runs on your own machine: a [[providers]] block with slug = "vllm" is enough',
    )
    file.write_text('{"type": "external_account"}')
    live, why = run(listed(desk))["google-vertex"]
    assert (live, "external_account" in why) == (False, True)
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")
    assert run(listed(desk))["google-vertex"] == (False, "set GOOGLE_APPLICATION_CREDENTIALS")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "gone.json"))
    with pytest.raises(ConfigError, match=r"GOOGLE_APPLICATION_CREDENTIALS: .*gone[.]json can't be read"):
        run(listed(desk))


def test_a_server_of_another_format_is_added(desk: Desk) -> None:
    """`--speaks`: asked as its format's servers are, and written down."""
    with pytest.raises(ValueError, match="--speaks takes one of anthropic_messages"):
        run(add(desk, "http://127.0.0.1:9", speaks="morse"))
    there = {"data": [{"type": "model", "id": "own-model", "display_name": "Own"}], "has_more": False}

    async def scene() -> None:
        async with company(lambda asked: (200, there)) as own:
            await add(desk, own.url, slug="own", key="k", key_env="OWN_KEY", speaks="anthropic_messages")
            [asked] = own.asked
            assert (asked.path, asked.headers["x-api-key"]) == ("/v1/models?limit=1000", "k")
            assert asked.headers["anthropic-version"] == "2023-06-01"

    run(scene())
    block = desk.file.read_text()
    assert 'speaks = "anthropic_messages"' in block
    assert '"k"' not in block


LOCAL = ("ollama", "vllm", "llamacpp", "lmstudio")


def live(house: House) -> dict[str, str]:
    """What can be bought: endpoint -> model."""
    offers = house.gateway.market.offers.values()
    return {endpoint.id: endpoint.model_id for offer in offers for endpoint in offer.live}


def test_three_lines_are_enough_for_a_local_server(desk: Desk) -> None:
    """slug, base_url, free: its models are listed at start, sold as free, and answer; at the next start as well."""

    async def scene() -> None:
        simulator = await Simulator.start(models=LOCAL_MODELS)
        ids, versions = set(), []
        for slug in LOCAL:
            desk.configure(f'[[providers]]\nslug = "{slug}"\nbase_url = "{simulator.url}/p/{slug}/v1"\nfree = true\n')
            ids |= {f"{slug}:{name}" for name in LOCAL_MODELS}
        for start in (1, 2):
            async with desk.served() as house:
                assert house is not None
                await until(lambda house=house: ids == live(house).keys())
                for slug in LOCAL:
                    endpoint = f"{slug}:{LOCAL_MODELS[0]}"
                    answer = await ask_model(house, desk, live(house)[endpoint], slug)
                    assert answer.status_code == 200, answer.text
                    assert answer.json()["usage"]["cost"] == 0
                    assert simulator.stats.by_provider[slug] == start
                versions.append(house.gateway.market.catalog.version)
        # The second start wrote nothing: what is listed and declared was there.
        assert versions[0] == versions[1]
        await simulator.close()

    run(scene())


def test_a_free_server_that_is_free_no_more(desk: Desk) -> None:
    """What the configuration declared free and declares no more is off again; what was said by hand stays."""

    async def scene() -> None:
        simulator = await Simulator.start(models=LOCAL_MODELS)
        plain = f'[[providers]]\nslug = "own"\nbase_url = "{simulator.url}/v1"\n'
        before = desk.file.read_text()

        async def live_with(text: str, wanted: set[str]) -> None:
            desk.file.write_text(before + text)
            async with desk.served() as house:
                assert house is not None

                await until(lambda: live(house).keys() == wanted)

        await live_with(plain + "free = true\n", {f"own:{name}" for name in LOCAL_MODELS})
        await catalog_commands.price(desk.file, f"own:{LOCAL_MODELS[0]}", prompt="0.1e-6", completion="0", request="0")
        await live_with(plain, {f"own:{LOCAL_MODELS[0]}"})
        await live_with(plain + "free = true\n", {f"own:{name}" for name in LOCAL_MODELS})
        await simulator.close()

    run(scene())


def test_prices_of_the_configuration_are_followed(desk: Desk) -> None:
    """A declared model that was free and then has a price is sold at that price: never free by an old declaration."""

    async def scene() -> None:
        simulator = await Simulator.start(models=LOCAL_MODELS)
        before = desk.file.read_text()
        block = f'[[providers]]\nslug = "own"\nbase_url = "{simulator.url}/v1"\n[[providers.models]]\nid = "me/m"\n'
        for rest, wanted in (
            ("free = true\n", (0, True)),
            ('price_prompt = "0.000001"\nprice_completion = "0"\n', (10**12, False)),
            ('price_prompt = "0.000002"\nprice_completion = "0"\n', (2 * 10**12, False)),
            ("free = true\n", (0, True)),
            ("", None),
        ):
            desk.file.write_text(before + block + rest)
            async with desk.served() as house:
                assert house is not None
                [endpoint] = house.gateway.market.catalog.endpoints["me/m"]
                price = endpoint.price
                assert (None if price is None else (price.rates.prompt, price.declared_free)) == wanted
        await simulator.close()

    run(scene())


@pytest.mark.parametrize("served", [False, True], ids=["alone", "with a server"])
def test_a_server_is_asked_and_added(desk: Desk, served: bool) -> None:
    """Its models are shown and taken in, a block is written that loads, the key's name in it and never the key."""

    async def scene() -> None:
        simulator = await Simulator.start(models=LOCAL_MODELS)
        async with desk.served(served):
            await add(desk, simulator.url, slug="box", name="The box", key="sk-secret")
            said = desk.said()
            assert "box:llama3.2:3b" in said
            assert "export BOX_API_KEY=..." in said
            assert ("restart `tollway serve`" in said) is served
            text = desk.file.read_text()
            assert "sk-secret" not in text
            assert 'key = "${BOX_API_KEY}"' in text
            config = load(desk.file, {"BOX_API_KEY": "k"})
            [block] = config.providers
            assert (block.slug, block.base_url, block.name) == ("box", f"{simulator.url}/v1", "The box")
        with pytest.raises(ConfigError, match="names the variable BOX_API_KEY, which is not set"):
            load(desk.file, {})
        assert simulator.stats.requests == 0
        await simulator.close()

    run(scene())


def test_a_list_with_prices_is_taken_in_whole(desk: Desk) -> None:
    """OpenRouter's provider list: models with prices are live at once, those at zero only when declared free."""

    async def scene() -> None:
        simulator = await Simulator.start(models=("acme/one", "acme/free"))
        url = f"{simulator.url}/openrouter-provider/models"
        await add(desk, f"{simulator.url}/v1", slug="acme", models_url=url)
        said = desk.said()
        assert "2 models" in said
        assert "tollway catalog free 'acme:acme/free'" in said
        async with desk.served() as house:
            assert house is not None

            await until(lambda: live(house).keys() == {"acme:acme/one"})
            answer = await ask_model(house, desk, "acme/one", "acme")
            assert answer.status_code == 402
            await catalog_commands.free(desk.file, "acme:acme/free")
            assert live(house).keys() == {"acme:acme/one", "acme:acme/free"}
        await simulator.close()

    run(scene())


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"slug": "openai"}, 'the catalog has a provider "openai"'),
        ({"slug": "taken"}, 'there is a \\[\\[providers\\]\\] block for "taken" already'),
        ({"slug": "No Slug"}, "can't be a slug"),
        ({"slug": "x", "key_env": "sk-123"}, "--key-env takes the name of a variable"),
        ({"slug": "x", "models_url": "http://127.0.0.1:1/models"}, "No list of models. http://127.0.0.1:1/models: "),
    ],
)
def test_what_can_not_be_added(desk: Desk, said: dict[str, str], error: str) -> None:
    """Nothing is written, and the message says what to choose instead."""

    async def scene() -> None:
        simulator = await Simulator.start(models=LOCAL_MODELS)
        desk.configure('[[providers]]\nslug = "taken"\nbase_url = "http://127.0.0.1:1"\n')
        before = desk.file.read_text()
        with pytest.raises(ValueError, match=error):
            await add(desk, simulator.url, **said)
        assert desk.file.read_text() == before
        await simulator.close()

    run(scene())


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, '{"error": {"message": "No such key."}}', "status 401: the key is missing, wrong .* \\(No such key.\\)"),
        (404, "nothing", "status 404: there is no list of models here; the base URL usually ends with /v1"),
        (500, "{}", "status 500"),
        (200, '{"object": "error"}', "not a list of models"),
        (200, "<html>", "is not JSON"),
    ],
)
def test_a_server_that_lists_nothing(desk: Desk, status: int, body: str, error: str) -> None:
    """What came instead of a list is said, in words that help."""

    async def scene() -> None:
        server = await asyncio.start_server(_always(status, body), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ValueError, match=error):
            await add(desk, f"127.0.0.1:{port}/v1")
        server.close()
        await asyncio.sleep(0.05)  # what was accepted closes in the next turns of the loop

    run(scene())


def _always(status: int, body: str) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        writer.write((head + body).encode())
        await writer.drain()
        writer.close()

    return answer


@pytest.mark.parametrize(
    ("url", "slug"),
    [
        ("http://127.0.0.1:11434/v1", "ollama"),
        ("http://localhost:8000/v1", "vllm"),
        ("http://127.0.0.1:1234/v1", "lmstudio"),
        ("http://[::1]:8080/v1", "llamacpp"),
        ("http://127.0.0.1:9/v1", "server-9"),
        ("http://10.0.0.5/v1", "server-http"),
        ("https://api.example.com/v1", "example"),
        ("https://inference.acme-ai.net/openai/v1", "acme-ai"),
        ("http://gpu-box:8000/v1", "gpu-box"),
    ],
)
def test_a_slug_is_guessed_from_the_address(url: str, slug: str) -> None:
    """A name that one would have chosen."""
    assert guess_slug(url) == slug


def test_a_file_that_takes_no_block_is_left_alone(tmp_path: Path) -> None:
    """Where the block would make the file no TOML, it is shown instead."""
    file = tmp_path / "tollway.toml"
    file.write_text("providers = []\n")
    with pytest.raises(ConfigError, match="add it by hand"):
        providers.with_block(file, '[[providers]]\nslug = "a"\n')
