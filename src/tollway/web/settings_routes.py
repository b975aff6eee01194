"""The pages of settings, each given what it needs of the house."""

from collections.abc import Awaitable, Callable

from msgspec import Struct
from starlette.routing import BaseRoute

from tollway.domain.byok import Credential
from tollway.domain.retention import Records
from tollway.gateway.alerting import Alerting
from tollway.gateway.budget_desk import BudgetDesk
from tollway.gateway.byok_desk import ByokDesk
from tollway.gateway.byok_probe import Probed
from tollway.gateway.guardrail_desk import GuardrailDesk
from tollway.gateway.key_desk import KeyDesk
from tollway.gateway.member_desk import MemberDesk
from tollway.gateway.own_keys import OwnKeys
from tollway.gateway.presets import Presets
from tollway.gateway.rankings import Rankings
from tollway.gateway.workspace_desk import WorkspaceDesk
from tollway.identity.people import People
from tollway.routing.market import Market
from tollway.storage.database import Database
from tollway.web.alerts import AlertPages
from tollway.web.byok import ByokPages
from tollway.web.door import Door
from tollway.web.guardrails import GuardrailPages
from tollway.web.key_page import KeyPage
from tollway.web.preferences import PreferencesPages
from tollway.web.presets import PresetPages
from tollway.web.privacy import PrivacyPages
from tollway.web.render import Renderer
from tollway.web.settings import Shared
from tollway.web.workspace import WorkspacePages


class Rooms(Struct, frozen=True, kw_only=True):
    """What these pages are made from, built once by app.py."""

    renderer: Renderer
    door: Door
    database: Database
    now_ms: Callable[[], int]
    market: Callable[[], Market]
    """The present snapshot."""
    market_of: Callable[[str], Market]
    """As a workspace sees it."""
    provider_name: Callable[[str], str]
    public_url: str
    workspaces: WorkspaceDesk
    members: MemberDesk
    budgets: BudgetDesk
    people: People
    keys: KeyDesk
    byok: ByokDesk
    guardrails: GuardrailDesk
    presets: Presets
    probe: Callable[[Credential], Awaitable[Probed]]
    own: OwnKeys
    records: Records
    alerting: Alerting
    rankings: Rankings


def settings_routes(rooms: Rooms) -> list[BaseRoute]:
    """Their URLs."""
    shared = Shared(rooms.renderer, rooms.door, rooms.database, rooms.now_ms)
    workspace = WorkspacePages(
        shared,
        workspaces=rooms.workspaces,
        members=rooms.members,
        budgets=rooms.budgets,
        people=rooms.people,
        public_url=rooms.public_url,
    )
    key = KeyPage(shared, desk=rooms.keys, market=rooms.market, base_url=f"{rooms.public_url}/api/v1")
    byok = ByokPages(
        shared,
        desk=rooms.byok,
        market=rooms.market,
        probe=rooms.probe,
        own=rooms.own,
    )
    preferences = PreferencesPages(shared, workspaces=rooms.workspaces, market=rooms.market, rankings=rooms.rankings)
    privacy = PrivacyPages(
        shared,
        workspaces=rooms.workspaces,
        market_of=rooms.market_of,
        provider_name=rooms.provider_name,
        records=rooms.records,
    )
    alerts = AlertPages(shared, desk=rooms.alerting.desk, mails=rooms.alerting.mailer is not None)
    guardrails = GuardrailPages(shared, desk=rooms.guardrails)
    presets = PresetPages(shared, presets=rooms.presets, base_url=f"{rooms.public_url}/api/v1")
    every = (workspace, key, byok, guardrails, presets, preferences, privacy, alerts)
    return [route for pages in every for route in pages.routes()]
