"""A site over a market made by hand, and a browser without scripts to look at it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from html.parser import HTMLParser
from typing import TypeVar

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Mount, Route

from tollway.config import Config
from tollway.domain.catalog import Catalog, Endpoint, Model, Operation, Price, ProviderInfo, Rates, Tier, WireFormat
from tollway.domain.chat import ChatRequest
from tollway.domain.measured import EndpointHour
from tollway.domain.money import AMOUNT_MAX, price_from_text
from tollway.domain.storefronts import Group
from tollway.providers.base import Provider
from tollway.routing.explain import Bench, Explanation, Prompt, explain
from tollway.routing.health import Glance, HealthBoard
from tollway.routing.market import Market, build_market
from tollway.storage.usage_days import AppUse, ModelUse, Use, Uses
from tollway.web.assets import Assets
from tollway.web.docs.pages import Docs
from tollway.web.page import Site
from tollway.web.render import Renderer
from tollway.web.routes import web_routes
from tollway.web.rows import Listings
from tollway.web.tables import table_routes

T = TypeVar("T")
PUBLIC_URL = "https://models.example:8443"
ORIGIN = "http://site.test"
BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
NOW_S = 1000.0
NOW_MS = 1_795_000_000_000

DESCRIBED = {
    "paths": {
        "/api/v1/chat/completions": {"post": {"summary": "Chat <b>", "security": [{"key": []}]}},
        "/health": {"get": {"summary": "Whether it works"}},
    }
}
"""As little of an OpenAPI document as the site's pages take."""
PROVIDERS = {
    slug: ProviderInfo(slug, name, f"https://{slug}.example/v1", WireFormat.OPENAI_CHAT, (f"{slug.upper()}_KEY",))
    for slug, name in {"near": "NearGPT", "far": "Far & Co", "dark": "Dark"}.items()
}


def model(id_: str, name: str = "", **fields: object) -> Model:
    """A model; what is not said has a plain value."""
    known: dict[str, object] = {"context_tokens": 131072, "created_s": 1_700_000_000, **fields}
    return Model(id=id_, name=name or id_.title(), author=id_.partition("/")[0], **known)  # type: ignore[arg-type]  # fields of Model, by name


def endpoint(provider: str, model_id: str, prompt: str, completion: str, **price: object) -> Endpoint:
    """An endpoint with a price, USD per token."""
    rates = Rates(price_from_text(prompt), price_from_text(completion))
    return Endpoint(
        id=f"{provider}:{model_id}",
        model_id=model_id,
        provider=provider,
        upstream_model=model_id,
        wire_format=WireFormat.OPENAI_CHAT,
        context_tokens=131072,
        output_tokens_max=None,
        price=Price(1, rates, declared_free=not (rates.prompt or rates.completion), **price),  # type: ignore[arg-type]  # fields of Price, by name
    )


def market_of(offers: Mapping[Model, Sequence[Endpoint]], live: Sequence[str] = ("near", "far")) -> Market:
    """A market of these offers, with these providers live."""
    catalog = Catalog(
        models={one.id: one for one in offers},
        endpoints={one.id: tuple(endpoints) for one, endpoints in offers.items()},
        providers=PROVIDERS,
        aliases={},
    )
    providers = {slug: Provider(slug, PROVIDERS[slug].name, PROVIDERS[slug].base_url) for slug in live}
    return build_market(catalog, providers, {Operation.CHAT: frozenset({WireFormat.OPENAI_CHAT})})


def full_market() -> Market:
    """Four models of note, 240 small ones, and one that no live provider offers."""
    seeing = model("acme/seer", "Seer", input_modalities=("text", "image"), context_tokens=1_048_576)
    drawing = model("acme/brush", "Brush", output_modalities=("image",), created_s=1_800_000_000)
    tier = (Tier(200_000, Rates(price_from_text("0.000003"), price_from_text("0.000006"))),)
    offers: dict[Model, Sequence[Endpoint]] = {
        seeing: [
            endpoint("far", seeing.id, "0.000001234567", "0.0000025", tiers=tier),
            endpoint("near", seeing.id, "0.000002", "0.000008"),
        ],
        drawing: [endpoint("near", drawing.id, "0.00001", "0.00004")],
        model("acme/gift", "Gift"): [endpoint("far", "acme/gift", "0", "0")],
        model("zeta/shut", "Shut"): [endpoint("dark", "zeta/shut", "0.000001", "0.000001")],
    }
    for number in range(240):
        id_ = f"many/small-{number:03}"
        offers[model(id_, f"Small {number:03}")] = [endpoint("near", id_, f"0.000000{number + 100}", "0.000001")]
    return market_of(offers)


def app_of(
    market: Market,
    health: HealthBoard | None = None,
    root: str = "",
    notice: str = "",
    config: Config | None = None,
) -> Starlette:
    """The site as app.py mounts it, with the URLs of others that its pages link to."""

    async def from_api(_: object) -> JSONResponse:
        return JSONResponse({})

    async def nobody(_: Request) -> str:
        return ""

    assets, config = Assets.of_package(), config or Config()
    renderer = Renderer(assets, notice)
    site: list[BaseRoute] = [
        Route("/openapi.json", from_api),
        Route("/health", from_api),
        Route("/sign-in", from_api),
        Route("/account", from_api),
        Route("/keys", from_api),
        Route("/chat", from_api),
        Route("/playground", from_api),
        Route("/api/v1/models", from_api),
        Route("/api/v1/models/{model:path}", from_api),
        Route("/api/v1/chat/completions", from_api, methods=["POST"]),
        *Docs(renderer, PUBLIC_URL, nobody, lambda: DESCRIBED).routes(),
        *web_routes(site_of(lambda: market, health, groups=config.billing.groups), renderer, assets, config),
    ]
    site = [*table_routes(renderer, site), *site]
    return Starlette(routes=[Mount(root, routes=site)] if root else site)


def known(value: T) -> Callable[[], Awaitable[T]]:
    """What is read without a database."""

    async def read() -> T:
        return value

    return read


def site_of(
    market: Callable[[], Market],
    health: HealthBoard | None = None,
    provider_name: Callable[[str], str] = lambda slug: PROVIDERS[slug].name,
    tokens: Mapping[str, int] = {},
    apps: Sequence[AppUse] = (),
    hours: Mapping[str, Mapping[int, EndpointHour]] = {},
    prices: Mapping[str, Sequence[Price]] = {},
    use: Mapping[str, ModelUse] = {},
    groups: Sequence[Group] = (),
    days: Mapping[str, Mapping[int, tuple[int, int]]] = {},
    before: Mapping[str, int] = {},
    troubles: Sequence[tuple[tuple[str, int], EndpointHour]] = (),
) -> Site:
    """What pages are made from, without a server behind it."""

    async def model_tokens() -> Mapping[str, int]:
        return tokens

    async def kept_hours(ids: Sequence[str], since: int) -> Mapping[str, Mapping[int, EndpointHour]]:
        return {id_: {at: each for at, each in hours.get(id_, {}).items() if at >= since} for id_ in ids}

    async def no_prices(ids: Sequence[str]) -> Mapping[str, Sequence[Price]]:
        return {id_: prices[id_] for id_ in ids if id_ in prices}

    async def uses(days: int, ago: int) -> Uses:
        if ago:
            return Uses({id_: Use(each, 1) for id_, each in before.items()}, {}, ())
        models = {id_: Use(each, len(id_)) for id_, each in tokens.items()}
        return Uses(models, {"near": Use(sum(tokens.values()), 9)} if tokens else {}, apps)

    board = health or HealthBoard()

    def plan(request: ChatRequest, prompt: Prompt) -> Explanation:
        return explain(request, Bench(market(), Glance(board, NOW_S), "price", AMOUNT_MAX), prompt)

    async def model_use(model: str) -> ModelUse:
        return use.get(model, ModelUse({}, ()))

    async def provider_days() -> Mapping[str, Mapping[int, tuple[int, int]]]:
        return days

    async def plan_for(request: Request, ask: ChatRequest, prompt: Prompt) -> Explanation | None:
        return None

    async def own_market(request: Request, workspace_id: str) -> Market | None:
        return None

    return Site(
        market=market,
        listings=Listings(market, provider_name),
        health=board,
        provider_name=provider_name,
        public_url=PUBLIC_URL,
        now_s=lambda: NOW_S,
        model_tokens=model_tokens,
        uses=uses,
        hours=kept_hours,
        prices=no_prices,
        now_ms=lambda: NOW_MS,
        explain=plan,
        own_market=own_market,
        model_use=model_use,
        provider_days=provider_days,
        troubles=known(troubles),
        plan_for=plan_for,
        groups=lambda: groups,
    )


def get(
    app: Starlette, *paths: str, method: str = "GET", headers: Mapping[str, str] | None = None
) -> list[httpx.Response]:
    """The answers to these paths, as a browser would ask for them."""

    async def ask() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=ORIGIN) as client:
            return [
                await client.request(method, path, headers=BROWSER if headers is None else headers) for path in paths
            ]

    return asyncio.run(ask())


class Looked(HTMLParser):
    """What a page holds: its tags with their attributes, its rows as cells of text, and text by id."""

    VOID = frozenset({"meta", "link", "input", "br", "img", "hr", "use", "path", "rect", "circle"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.by_id: dict[str, str] = {}
        self.rows: list[list[str]] = []
        self._open: list[tuple[str, str | None]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        self.tags.append((tag, names))
        if tag == "tr":
            self.rows.append([])
        elif tag in {"td", "th"}:
            self.rows[-1].append("")
        if tag not in self.VOID:
            self._open.append((tag, names.get("id")))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self._open.pop()[0] == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        for _, id_ in self._open:
            if id_:
                self.by_id[id_] = self.by_id.get(id_, "") + data
        if any(tag in {"td", "th"} for tag, _ in self._open):
            self.rows[-1][-1] += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every element of this name."""
        return [attributes for name, attributes in self.tags if name == tag]

    def urls(self) -> set[str]:
        """Every URL that a browser would load or follow, fragments taken off."""
        found = [
            value or ""
            for _, attributes in self.tags
            for name, value in attributes.items()
            if name in {"href", "src", "action", "poster", "srcset"}
        ]
        return {url.partition("#")[0] for url in found} - {""}

    def ids_of_models(self) -> list[str]:
        """The models of the table, in its order."""
        return [
            (attributes["data-text"] or "")
            for tag, attributes in self.tags
            if tag == "x-copy" and "data-text" in attributes
        ]


def look(app: Starlette, path: str = "/") -> Looked:
    """A page that must be there."""
    [response] = get(app, path)
    assert response.status_code == 200, response.text
    return Looked(response.text)


def walk(app: Starlette, path: str) -> Iterator[Looked]:
    """A page of the table, and those that its "Next" leads to."""
    while path:
        page = look(app, path)
        yield page
        path = next((tag["href"] or "" for tag in page.all("a") if tag.get("rel") == "next"), "")
