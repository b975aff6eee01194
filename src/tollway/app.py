"""Everything is built here, once, from the Config: read it from the top and you know the system."""

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.routing import Route as StarletteRoute

from tollway.api.browser import BrowserDoor
from tollway.api.control import office_of
from tollway.api.engines import PATH as ENGINES_PATH
from tollway.api.engines import EngineCalls
from tollway.api.exchange import App, Receive, Scope, Send, as_asgi
from tollway.api.gemini import PATHS as GEMINI_PATHS
from tollway.api.gemini import GeminiCalls
from tollway.api.house import House
from tollway.api.mounts import Mounts
from tollway.api.openapi import described
from tollway.api.room import PATH as ROOM_PATH
from tollway.api.room import RoomCalls
from tollway.api.routes import error_answer, hot_routes, no_such_route, routes, starlette_routes
from tollway.api.server import ServerLimits, serve
from tollway.api.table import PREFLIGHT
from tollway.config import Config
from tollway.domain.catalog import EMPTY
from tollway.domain.chat import ChatRequest
from tollway.domain.errors import TollwayError
from tollway.domain.money import Nanodollars, nanodollars_from_text
from tollway.gateway.access_tokens import AccessTokens
from tollway.gateway.allowed import Allowed
from tollway.gateway.background import Jobs
from tollway.gateway.base import Gateway
from tollway.gateway.books import Books
from tollway.gateway.byok_probe import probe
from tollway.gateway.commit import Committer
from tollway.gateway.contents import Contents
from tollway.gateway.figures import keep_figures, restore_figures, store_figures
from tollway.gateway.forgotten import Forgotten
from tollway.gateway.key_desk import KeyDesk
from tollway.gateway.moderation import Moderation
from tollway.gateway.oauth_desk import OAuthDesk
from tollway.gateway.own_keys import OwnKeys
from tollway.gateway.presets import Presets
from tollway.gateway.provider_desk import ProviderDesk
from tollway.gateway.retention import keep_contents, keep_records
from tollway.gateway.supply import Supply, reloads
from tollway.gateway.tokenizer import SharedTokenizer
from tollway.gateway.troubles import Troubles
from tollway.identity.audit_log import AuditLog
from tollway.identity.authenticate import Authenticator
from tollway.identity.credentials import open_ring
from tollway.identity.guest import open_door
from tollway.identity.issuers import Issuers
from tollway.identity.people import People
from tollway.identity.sign_ins import SignIns
from tollway.payments.auto_topups import keep_topped_up
from tollway.payments.jobs import keep_purchases
from tollway.payments.providers import open_providers
from tollway.payments.topup import Till
from tollway.routing.explain import Explanation, Prompt
from tollway.routing.market import Market, build_market
from tollway.storage.catalog import all_prices
from tollway.storage.database import Database, StorageError
from tollway.storage.endpoint_hours import hours_of
from tollway.storage.files import (
    DATABASE_FILE,
    Control,
    ServerLock,
    load_secret,
    remove_control,
    write_control,
)
from tollway.storage.keys import has_keys
from tollway.storage.ledger import open_accounts
from tollway.storage.migrate import migrate
from tollway.storage.sqlite import SqliteDatabase
from tollway.telemetry.metrics import Metrics
from tollway.upstream.client import UpstreamClient
from tollway.upstream.fetch import Fetcher
from tollway.web.account import AccountPages
from tollway.web.activity import ActivityPages
from tollway.web.admin.base import AdminSite
from tollway.web.admin.routes import operator_routes
from tollway.web.assets import Assets
from tollway.web.chat import ChatPages
from tollway.web.consent import ConsentPages
from tollway.web.credit_history import HistoryPages
from tollway.web.credits import CreditsPages
from tollway.web.docs.pages import Docs
from tollway.web.docs.reader import reader_of
from tollway.web.forgotten import ForgottenPages
from tollway.web.generation import GenerationPages
from tollway.web.issuers import IssuerPages
from tollway.web.keys import KeyPages
from tollway.web.logs import LogPages
from tollway.web.me import MyPages
from tollway.web.overview import OverviewPages
from tollway.web.page import Site
from tollway.web.pages.home import sample_model
from tollway.web.records import Archive
from tollway.web.render import Renderer
from tollway.web.routes import web_routes
from tollway.web.rows import Listings
from tollway.web.settings_routes import Rooms, settings_routes
from tollway.web.tables import table_routes

log = structlog.get_logger(__name__)

LOCK_WAIT_S = 1.0
"""A command that opens the database itself holds the lock for some tens of milliseconds."""


async def open_database(config: Config) -> SqliteDatabase:
    """The database, its schema at the newest migration, with the platform's accounts."""
    database = SqliteDatabase(config.data_dir / DATABASE_FILE)
    await migrate(database)
    await open_accounts(database)
    return database


async def build(config: Config, database: Database, *, simulator_url: str | None, tokenizer: SharedTokenizer) -> House:
    """Every object of the server. `simulator_url`: all providers of the catalog are played by the simulator there."""
    jobs, upstream = Jobs(), config.upstream
    committer = Committer(database, jobs.spawn)
    client = UpstreamClient(connections_per_origin=upstream.connections_per_origin, proxies=upstream.proxies)
    tokens, ring = AccessTokens(client, jobs.spawn, time.time), await open_ring(config, database)
    gateway = Gateway(
        loop=asyncio.get_running_loop(),
        market=build_market(EMPTY, {}, {}),
        credentials={},
        client=client,
        fetcher=Fetcher(upstream.fetch_allow),
        tokens=tokens,
        committer=committer,
        books=Books(database),
        presets=Presets(database),
        own=OwnKeys(ring, config.byok, database, simulator_url),
        tokenizer=tokenizer,
        metrics=Metrics(),
        attempts_max=upstream.attempts_max,
        policy=config.routing.policy,
        default_model=config.routing.default_model,
        auto=config.routing.auto,
        limits=config.limits,
        contents=Contents(database, ring, jobs.spawn, config.records) if config.records.content_keep_days else None,
        hedge_extra=config.routing.hedge_extra,
        hedge_extra_max=config.routing.hedge_extra_max,
        recount_share=upstream.recount_share,
        first_content_s=upstream.first_content_s,
    )
    supply = Supply(config, database, client, tokens, simulator_url, ring)
    reload = reloads(supply, gateway)
    pepper = load_secret(config.data_dir, config.security.secret_key, has_keys=await has_keys(database))
    authenticator, audit = Authenticator(database, pepper), AuditLog(database)
    keys = KeyDesk(database, gateway.books, audit, pepper, authenticator.forget)
    house = House(
        config=config,
        database=database,
        authenticator=authenticator,
        people=open_people(config, database, pepper, audit, gateway.books),
        issuers=_issuers(config),
        audit=audit,
        keys=keys,
        oauth=OAuthDesk(database, keys, audit, pepper, config.users.challenges),
        till=open_till(config, database, audit, gateway.books, client),
        gateway=gateway,
        committer=committer,
        jobs=jobs,
        pepper=pepper,
        control_token=secrets.token_urlsafe(32),
        reload=reload,
        providers=ProviderDesk(config, database, audit, ring, supply, gateway, reload),
        simulated=simulator_url is not None,
    )
    _add_gauges(gateway, jobs)
    await open_door(database, house.guests, gateway.now_ms())
    await house.groups.load()
    await house.sign_up.load()
    await supply.declare()
    await reload()
    _require_moderation(gateway, config)
    await restore_figures(gateway, database)
    jobs.keep(supply.list_servers(reload), "list models of own servers")
    jobs.keep(supply.watch_prices(reload), "watch prices")
    _start_keepers(house)
    return house


def _start_keepers(house: House) -> None:
    """The jobs that look after what is kept: figures, records, contents, purchases."""
    jobs, gateway, database, records = house.jobs, house.gateway, house.database, house.config.records
    jobs.spawn(house.site.load(), "read the words of the site")
    jobs.keep(house.minutes.keep(), "count minutes")
    jobs.keep(keep_figures(gateway, database), "keep figures")
    jobs.keep(keep_purchases(house.till, gateway.books, database, gateway.now_ms), "keep purchases")
    if house.till.providers:
        jobs.keep(keep_topped_up(house.auto_topups, gateway.now_ms), "keep topped up")
    jobs.keep(house.departures.keep_empty(gateway.now_ms), "empty records of users who are gone")
    jobs.keep(house.alerting.sweep.keep(gateway.now_ms), "look after alerts")
    jobs.keep(keep_contents(database, records, gateway.now_ms), "drop old contents")
    if records.keep_days:
        jobs.keep(keep_records(database, records.keep_days, gateway.now_ms), "keep records")


def _require_moderation(gateway: Gateway, config: Config) -> None:
    """Of the models that the configuration names. That nobody can judge is said at start, not at the first refusal."""
    if not config.moderation.models:
        return
    gateway.moderation = Moderation(config.moderation)
    if not gateway.moderation.has_judge(gateway.market):
        told = "set its provider's key, and price it or declare it free (tollway catalog price)"
        log.warning("models require moderation, and nobody can judge", model=config.moderation.model, hint=told)


def _add_gauges(gateway: Gateway, jobs: Jobs) -> None:
    contents = gateway.contents
    gateway.metrics.gauges |= {
        "upstream_connections": ("Open connections to providers", lambda: gateway.client.open_connections),
        "commit_queue": ("Finished requests that wait for their commit", lambda: gateway.committer.waiting),
        "jobs": ("Running jobs", lambda: len(jobs)),
        "switched_off": ("Credentials and models that providers refuse", lambda: len(gateway.alarms)),
        "drifting": ("Endpoints whose token counts drift from ours", lambda: len(gateway.drift.alarms)),
        "contents_kept": ("Prompts and answers that were kept", lambda: contents.kept if contents else 0),
        "contents_lost": ("Prompts and answers that could not be kept", lambda: contents.lost if contents else 0),
        "held_usd": ("Held for requests under way, in USD", lambda: gateway.books.held / 10**9),
    }


def _issuers(config: Config) -> Issuers:
    issuers = config.users.issuers
    secrets_ = {each.slug: config.issuer_secret(each) for each in issuers}
    return Issuers(issuers, secrets_, time.time, allow=config.upstream.fetch_allow)


def open_people(config: Config, database: Database, pepper: bytes, audit: AuditLog, books: Books) -> People:
    """How people come in, as the configuration says."""

    async def give(workspace_id: str, amount: Nanodollars, ref: str, reason: str) -> None:
        await books.grant(workspace_id, amount, ref, reason, Gateway.now_ms())

    credit = nanodollars_from_text(config.users.launch_credit_usd)
    users, url = config.users, config.public_url
    return People(database, pepper, audit, sign_up=users.sign_up, launch_credit=credit, grant=give, public_url=url)


def open_till(config: Config, database: Database, audit: AuditLog, books: Books, client: UpstreamClient) -> Till:
    """Where credits are sold, by the providers that are configured."""
    providers = open_providers(config.payments, client)
    back = f"{config.public_url}/credits"
    return Till(database, books, audit, providers, config.payments, config.billing.packs, back)


def create_app(house: House) -> App:
    """One ASGI application: hot URLs bare, everything else through Starlette."""
    hot = hot_routes(house)
    bare = {key: as_asgi(handler) for key, handler in hot.items()}
    hot_paths = {path for _, path in hot}
    pages = site_routes(house)

    async def unknown(request: Request, error: Exception) -> Response:
        path, status = request.url.path, error.status_code if isinstance(error, HTTPException) else 404
        if request.method == "OPTIONS" and path.startswith(("/api/", "/v1", "/platform/")):
            return Response(status_code=204, headers=PREFLIGHT)
        answer = error_answer(path, no_such_route(request.method, path, status == 405 or path in hot_paths))
        if answer.status_code == 405:  # which methods there are instead (RFC 9110, 15.5.6)
            known = error.headers if isinstance(error, HTTPException) else None
            answer.headers["allow"] = "POST" if path in hot_paths else (known or {}).get("Allow", "GET")
        return answer

    async def failed(request: Request, error: Exception) -> Response:
        log.error("request failed", path=request.url.path, error=repr(error))
        return error_answer(request.url.path, TollwayError("Something went wrong on our side; it has been logged."))

    gemini = GeminiCalls(house)
    starlette = Starlette(
        routes=[
            *starlette_routes(house),
            *(StarletteRoute(path, gemini, methods=["POST"]) for path in GEMINI_PATHS),
            StarletteRoute(ENGINES_PATH, EngineCalls(house), methods=["POST"]),
            StarletteRoute(ROOM_PATH, RoomCalls(house), methods=["POST"]),
            *pages,
        ],
        exception_handlers={404: unknown, 405: unknown, Exception: failed},
    )
    # A path with a slash more is another path. Starlette would redirect to the Host header's word, whoever sent it.
    starlette.router.redirect_slashes = False

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        handler = bare.get((scope.get("method", ""), scope["path"])) if scope["type"] == "http" else None
        await (handler or starlette)(scope, receive, send)

    return app


def site_routes(house: House) -> list[BaseRoute]:
    """The site's pages: those of people first, because the last of the others answers where nothing else is."""
    notice, now_ms = DEMO_NOTICE if house.simulated else "", house.gateway.now_ms
    assets, door = Assets.of_package(), BrowserDoor(house)
    renderer = Renderer(assets, notice, house.site.words)
    buttons, public_url = house.issuers.buttons, house.config.public_url
    passkeys, sign_ins, site = house.passkeys.place is not None, SignIns(house.pepper), site_of(house, door)
    forgotten = Forgotten(house.people, house.alerting.mailer, house.jobs.spawn, public_url)
    pages = [
        *AccountPages(renderer, door, house.people, now_ms, buttons, passkeys, forgotten.on).routes(),
        *ForgottenPages(renderer, door, forgotten, now_ms).routes(),
        *IssuerPages(
            renderer,
            door,
            house.people,
            house.issuers,
            sign_ins,
            passkeys=passkeys,
            mails=forgotten.on,
            public_url=public_url,
            now_ms=now_ms,
        ).routes(),
        *ConsentPages(renderer, door, house.oauth, house.database, now_ms).routes(),
        *KeyPages(
            renderer, door, house.keys, house.database, public_url, now_ms, lambda: house.gateway.market
        ).routes(),
        *HistoryPages(renderer, door, house.database, house.receipts, now_ms).routes(),
        *CreditsPages(
            renderer,
            door,
            house.database,
            house.gateway.books,
            house.till,
            house.codes,
            house.auto_topups,
            house.receipts,
            now_ms,
        ).routes(),
        *record_pages(house, site, renderer, door),
        *MyPages(renderer, door, house.people, house.issuers, house.passkeys, house.departures, now_ms).routes(),
        *settings_routes(rooms_of(house, renderer, door)),
        *operator_routes(AdminSite(renderer, door, house, office_of(house))),
        *Docs(renderer, public_url, reader_of(door, house.database, now_ms), lambda: described(routes(house))).routes(),
        *ChatPages(renderer, door, house.config, house.pepper, lambda: sample_model(site.rows())).routes(),
        *web_routes(site, renderer, assets, house.config, lambda: house.sign_up.policy),
    ]
    return [*table_routes(renderer, pages), *pages]


def record_pages(house: House, site: Site, renderer: Renderer, door: BrowserDoor) -> list[BaseRoute]:
    """What somebody's workspace has, spends and asked for."""
    gateway = house.gateway
    archive = Archive(
        renderer=renderer,
        door=door,
        database=house.database,
        records=house.records,
        usage=house.usage,
        books=gateway.books,
        contents=gateway.contents,
        market=lambda: gateway.market,
        provider_name=house.provider_name,
        sample_model=lambda: sample_model(site.rows()),
        base_url=site.base_url,
        now_ms=gateway.now_ms,
    )
    pages = (OverviewPages, ActivityPages, LogPages, GenerationPages)
    return [route for each in pages for route in each(archive).routes()]


def rooms_of(house: House, renderer: Renderer, door: BrowserDoor) -> Rooms:
    """What the pages of settings need."""
    gateway, config = house.gateway, house.config
    return Rooms(
        renderer=renderer, door=door, database=house.database, now_ms=gateway.now_ms, market=lambda: gateway.market,
        market_of=gateway.market_of, provider_name=house.provider_name, public_url=config.public_url,
        workspaces=house.workspaces, members=house.members, budgets=house.budgets, people=house.people,
        keys=house.keys, byok=house.byok, guardrails=house.guardrails, presets=gateway.presets,
        probe=partial(probe, gateway), own=gateway.own,
        records=config.records, alerting=house.alerting, rankings=house.rankings,
    )  # fmt: skip


def site_of(house: House, door: BrowserDoor) -> Site:
    """What the public pages are made from."""
    gateway, allowed = house.gateway, Allowed(house.database, house.gateway)

    async def plan_for(request: Request, ask: ChatRequest, prompt: Prompt) -> Explanation | None:
        return await allowed.plan_for(await door.signed_in(request), ask, prompt)

    async def own_market(request: Request, workspace_id: str) -> Market | None:
        actor = await door.signed_in(request)
        return await allowed.market(actor, workspace_id or None) if actor else None

    return Site(
        market=lambda: gateway.market,
        listings=Listings(lambda: gateway.market, house.provider_name),
        health=gateway.health,
        provider_name=house.provider_name,
        public_url=house.config.public_url,
        now_s=house.now_s,
        model_tokens=house.rankings.models,
        uses=house.rankings.uses,
        hours=partial(hours_of, house.database),
        prices=partial(all_prices, house.database),
        now_ms=gateway.now_ms,
        explain=allowed.plan,
        plan_for=plan_for,
        model_use=house.rankings.model_use,
        provider_days=house.rankings.provider_days,
        troubles=Troubles(house.database, gateway.now_ms).hours,
        own_market=own_market,
        groups=lambda: gateway.groups.groups,
        guests=bool(house.config.guest.models),
    )


DEMO_NOTICE = "This is a demo: every provider is simulated, and its answers are made up."


@asynccontextmanager
async def running(
    config: Config,
    *,
    simulator_url: str | None = None,
    limits: ServerLimits | None = None,
    tokenizer: SharedTokenizer | None = None,
) -> AsyncIterator[tuple[House, asyncio.Task[None]]]:
    """A server that runs inside the block. Gives the house and the task that ends when the server has stopped.

    `tokenizer`: one that several servers of a process share.

    StorageError: another server holds this data directory, or the database can't be used.
    """
    lock = ServerLock(config.data_dir)
    if not lock.acquire(wait_s=LOCK_WAIT_S):
        raise StorageError(f"Another Tollway server uses {config.data_dir}; stop it, or set storage.data_dir.")
    database = await open_database(config)
    try:
        house = await build(config, database, simulator_url=simulator_url, tokenizer=tokenizer or SharedTokenizer())
        asyncio.get_running_loop().run_in_executor(None, house.gateway.tokenizer)
        started = asyncio.Event()
        task = asyncio.create_task(_serve(house, config, limits, started.set))
        waiting = asyncio.create_task(started.wait())
        try:
            await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if task.done():
                task.result()
            yield house, task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await close(house)
    finally:
        await database.close()
        lock.release()


async def _serve(house: House, config: Config, limits: ServerLimits | None, started: Callable[[], None]) -> None:
    def ready(port: int) -> None:
        house.port = port
        write_control(config.data_dir, Control(config.server.local_url(port), house.control_token, os.getpid()))
        house.ready = True
        started()

    await serve(
        create_app(house),
        host=config.server.host,
        port=config.server.port,
        hot=hot_routes(house),
        mounts=Mounts(config.server.mounts) if config.server.mounts else None,
        limits=limits or ServerLimits(body_bytes=config.server.request_max_bytes),
        ready=ready,
        shutdown_grace_s=config.server.shutdown_grace_s,
    )


async def close(house: House) -> None:
    """Stops in the order in which nothing is lost: no new work, what is queued is committed, then the rest."""
    house.ready = house.gateway.accepting = False
    await house.committer.drain()
    if house.gateway.contents is not None:
        await house.gateway.contents.drain()
    await store_figures(house.gateway, house.database)
    remove_control(house.config.data_dir)
    await house.gateway.client.close()
    await house.gateway.fetcher.close()
    await house.scanners.close()
    await house.issuers.close()
    await house.alerting.hooks.close()
    await house.schemas.close()
    await house.jobs.close()
