"""What the entry points need, built once by app.py."""

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable

from starlette.requests import Request

from tollway.api.forwarded import Proxies
from tollway.config import Config
from tollway.domain.errors import Unauthenticated
from tollway.domain.identity import Caller
from tollway.gateway.admin_desk import AdminDesk
from tollway.gateway.alerting import open_alerting
from tollway.gateway.analytics import Analytics
from tollway.gateway.background import Jobs
from tollway.gateway.base import Gateway
from tollway.gateway.budget_desk import BudgetDesk
from tollway.gateway.byok_desk import ByokDesk
from tollway.gateway.commit import Committer
from tollway.gateway.counts import TokenCounts
from tollway.gateway.departures import Departures
from tollway.gateway.group_desk import GroupDesk
from tollway.gateway.guardrail_desk import GuardrailDesk
from tollway.gateway.key_desk import KeyDesk
from tollway.gateway.leak_desk import LeakDesk
from tollway.gateway.ledger_check import LedgerCheck
from tollway.gateway.level_desk import LevelDesk
from tollway.gateway.member_desk import MemberDesk
from tollway.gateway.minutes import Minutes
from tollway.gateway.oauth_desk import OAuthDesk
from tollway.gateway.provider_desk import ProviderDesk
from tollway.gateway.rankings import Rankings
from tollway.gateway.records import Records
from tollway.gateway.schema_checks import SchemaChecks
from tollway.gateway.sign_up_desk import SignUpDesk
from tollway.gateway.site_desk import SiteDesk
from tollway.gateway.usage import Usage
from tollway.gateway.user_desk import UserDesk
from tollway.gateway.workspace_desk import WorkspaceDesk
from tollway.identity.audit_log import AuditLog
from tollway.identity.authenticate import Authenticator
from tollway.identity.guest import GuestRules
from tollway.identity.issuers import Issuers
from tollway.identity.passkeys import Passkeys
from tollway.identity.people import People
from tollway.identity.scanners import Scanners
from tollway.payments.auto_topups import AutoTopUps
from tollway.payments.codes import Codes
from tollway.payments.events import Events
from tollway.payments.receipts import Receipts
from tollway.payments.topup import Till
from tollway.routing.market import Market
from tollway.storage.database import Database


class House:
    """Every room that an entry point may open."""

    def __init__(
        self,
        *,
        config: Config,
        database: Database,
        authenticator: Authenticator,
        people: People,
        issuers: Issuers,
        audit: AuditLog,
        keys: KeyDesk,
        oauth: OAuthDesk,
        till: Till,
        gateway: Gateway,
        committer: Committer,
        jobs: Jobs,
        pepper: bytes,
        control_token: str,
        reload: Callable[[], Awaitable[Market]],
        providers: ProviderDesk,
        simulated: bool = False,
    ) -> None:
        self.config = config
        self.database = database
        self.authenticator = authenticator
        self.people = people
        self.issuers, self.passkeys = issuers, Passkeys(database, audit, people, config.public_url)
        self.audit = audit
        self.keys = keys
        self.oauth = oauth
        self.workspaces = WorkspaceDesk(database, gateway.books, audit, authenticator.forget_workspace, config.records)
        self.budgets = BudgetDesk(database, gateway.books, audit, self.workspaces)
        self.guardrails = GuardrailDesk(database, gateway.books, audit, authenticator.forget_workspace)
        self.members = MemberDesk(database, gateway.books, audit, self.workspaces)
        self.departures = Departures(
            database, gateway.books, audit, jobs, authenticator.forget, authenticator.forget_workspace
        )
        self.users = UserDesk(database, gateway.books, audit, authenticator.forget)
        self.admin = AdminDesk(database, gateway.books, audit, people, self.users, authenticator.forget_workspace)
        self.groups = GroupDesk(database, audit, config.billing.groups, gateway.groups.swap)
        self.scanners = Scanners(config.leaks, lambda: time.monotonic(), allow=config.upstream.fetch_allow)
        self.alerting = open_alerting(database, audit, config, pepper)
        self.leaks = LeakDesk(database, keys, pepper, self.alerting.wake_mail)
        self.till = till
        self.payment_events = Events(database, gateway.books, config.payments)
        self.auto_topups = AutoTopUps(database, audit, till, self.payment_events)
        self.receipts = Receipts(database, audit, till, config.payments)
        self.codes = Codes(database, gateway.books, audit, pepper)
        self.byok = ByokDesk(database, audit, gateway.own, lambda: gateway.market, authenticator.forget_workspace)
        self.gateway = gateway
        self.committer = committer
        self.jobs = jobs
        self.pepper = pepper
        self.control_token = control_token
        self.reload = reload
        """Reads the catalog anew and swaps the market."""
        self.providers = providers
        self.simulated = simulated
        """Whether the simulator plays the providers: the demo."""
        self.records, self.analytics, self.usage = Records(database), Analytics(database), Usage(database)
        self.rankings = Rankings(database, audit, gateway.now_ms)
        self.counts, self.schemas, self.site = TokenCounts(gateway), SchemaChecks(), SiteDesk(database, audit)
        self.levels = LevelDesk(database, audit, config.routing.aliases, lambda: gateway.market, reload)
        self.sign_up = SignUpDesk(database, audit, people, config.users.sign_up)
        self.ledger_check = LedgerCheck(database, audit, jobs)
        self.minutes, self.started_ms = Minutes(gateway.metrics, gateway.loop.time), gateway.now_ms()
        self.ready = False
        self.proxies = Proxies(config.server.trusted_proxies, config.server.forwarded_header)
        self.guests = GuestRules(frozenset(config.guest.models), config.guest.output_max)
        self.port = config.server.port
        """The port that is listened on: another than the configured one if that is 0."""

    def provider_name(self, slug: str) -> str:
        """A provider's display name, whether it is live or not."""
        return self.gateway.market.name_of(slug)

    @staticmethod
    def now_s() -> float:
        """The loop's monotonic time, which health is kept in."""
        return asyncio.get_running_loop().time()

    @staticmethod
    def caller(request: Request) -> Caller:
        """Who asks: set by the route table, which authenticated the request."""
        caller: Caller = request.state.caller
        return caller

    def check_control(self, request: Request) -> None:
        """Unauthenticated: the request does not carry this start's control token."""
        if not self.is_control(request):
            raise Unauthenticated("This URL is for the command line on the server's own machine.")

    def is_control(self, request: Request) -> bool:
        """Whether the request carries this start's control token."""
        carried = request.headers.get("authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(carried.encode(), self.control_token.encode())
