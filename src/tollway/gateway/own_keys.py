"""Callers' own keys at work: what they open, and the secret itself, for as long as one attempt needs it."""

import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from tollway.catalog.address import fill, placeholders
from tollway.domain.byok import ByokSettings, Credential
from tollway.domain.catalog import Catalog, Endpoint
from tollway.domain.health import Outcome
from tollway.domain.identity import Key
from tollway.domain.money import Nanodollars
from tollway.domain.routing import Candidate
from tollway.gateway.byok_allowance import ByokAllowance
from tollway.identity.credentials import KeyRing, Unreadable, place_of
from tollway.providers import Provider
from tollway.providers.base import Opened
from tollway.providers.service_account import TOKEN_URI, read_key
from tollway.routing.market import Market
from tollway.routing.own import Own, OwnMarket, open_market
from tollway.storage.database import Database

USES_MAX = 10_000
"""Credentials of which the last use is known."""
MARKETS_MAX = 256
"""Workspaces whose markets are kept; the one that was made first goes first."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}")


class LastUse(Struct, frozen=True):
    """How an own key did when it was used last, since the server's start."""

    at_ms: int
    outcome: Outcome
    status: int | None = None
    """Of a failure. The provider's words are not kept: they may quote a prompt."""

    @property
    def works(self) -> bool:
        """Whether it was answered."""
        return self.outcome is Outcome.SUCCEEDED


class OwnKeys:
    """`simulator_url`: the simulator plays the providers, so that nobody's secret is sent anywhere."""

    def __init__(
        self, ring: KeyRing, settings: ByokSettings, database: Database, simulator_url: str | None = None
    ) -> None:
        self.ring = ring
        self.settings = settings
        self.allowance = ByokAllowance(database, settings.free_requests_monthly)
        self._simulator_url = simulator_url
        self._markets: dict[
            tuple[bool, tuple[tuple[str, int], ...]], tuple[Market, Sequence[Credential], OwnMarket]
        ] = {}
        self._last: dict[str, LastUse] = {}

    def used(self, credential_id: str, use: LastUse) -> None:
        """A credential was used."""
        if len(self._last) >= USES_MAX:
            del self._last[next(iter(self._last))]
        self._last[credential_id] = use

    def last_use(self, credential_id: str) -> LastUse | None:
        """None: not since the start."""
        return self._last.get(credential_id)

    def of(self, key: Key, market: Market, now_ms: int, left: Nanodollars | None = None) -> Own | None:
        """What a key's own credentials open in the market; None: it has none."""
        credentials = key.standing.own if key.standing else ()
        if not credentials:
            return None
        return self.opened(credentials, market, left, free=self.allowance.left(key.workspace_id, now_ms) > 0)

    def opened(
        self, credentials: Sequence[Credential], market: Market, left: Nanodollars | None = None, *, free: bool = False
    ) -> Own:
        """`left`: of the limits that count what callers' own providers bill; None: no limit does. `free`: no fee."""
        name = free, tuple([(each.id, each.version) for each in credentials])
        kept = self._markets.get(name)
        if kept is None or kept[0] is not market or kept[1] != credentials:
            if len(self._markets) >= MARKETS_MAX:
                del self._markets[next(iter(self._markets))]
            opened = open_market(market, credentials, 0 if free else self.settings.fee_ppm)
            kept = self._markets[name] = market, credentials, opened
        return Own(kept[2], left)

    def open(self, candidate: Candidate, credential: Credential, market: Market) -> tuple[Provider, str]:
        """The provider as this credential opens it, and the secret. Unreadable: it can't be had."""
        endpoint = candidate.endpoint
        text = self.ring.open(credential.sealed, place_of(credential))
        try:
            opened = opened_by(market.known[endpoint.provider], text)
        except (ValueError, KeyError):
            raise Unreadable("its provider does not take it in this form any more") from None
        provider, secret = opened.provider, opened.credential
        for model, deployment, key in opened.deployments or ():
            if _is(model, endpoint, market.catalog):
                provider, secret = replace(provider, deployments={endpoint.id: deployment}), key or secret
        if self._simulator_url is not None and not provider.base_url.startswith(("http://127.0.0.1:", "http://[::1]:")):
            url = f"{self._simulator_url}/p/{endpoint.provider}/v1"
            provider = replace(provider, base_url=url, exchange=None, deployments=None)
        return provider, secret


def opened_by(provider: Provider, text: str) -> Opened:
    """As a user's credential opens it, who is trusted with nothing else: no variable of the operator's fills its
    address, and none of the credential's leads anywhere but to the provider.

    ValueError: the text is of no use, and why.
    """
    opened = provider.open(provider, text, {})
    if opened.provider.exchange is not None and read_key(text).token_uri != TOKEN_URI:
        raise ValueError(f"token_uri: only {TOKEN_URI} is asked for tokens")
    variables: Mapping[str, str] = {name: value for name, value in opened.variables.items() if value}
    for name, value in variables.items():
        if not _NAME.fullmatch(value):
            raise ValueError(f"{name}: {value[:60]!r} can't be part of an address")
    url = fill(opened.provider.base_url, variables)
    if not url:
        missing = ", ".join(name for name in placeholders(opened.provider.base_url) if name not in variables)
        raise ValueError(f"the key does not say its {missing or 'address'}; use the form in JSON (docs/byok.md)")
    for _, deployment, _ in opened.deployments or ():
        _same_host_only(deployment.url, opened)
    return replace(opened, provider=replace(opened.provider, base_url=url.rstrip("/")))


def _same_host_only(url: str | None, opened: Opened) -> None:
    """The provider's own code has checked the host's name. Nothing else in the URL may change who is asked."""
    parts = urlsplit(url or opened.provider.base_url)
    if parts.username is not None or parts.password is not None or "\\" in (url or "") or parts.port not in (None, 443):
        raise ValueError("endpoint_url: no user name, no port and no backslash, please")


def _is(model: str, endpoint: Endpoint, catalog: Catalog) -> bool:
    known = catalog.resolve(model)
    return known is not None and known.id == endpoint.model_id
