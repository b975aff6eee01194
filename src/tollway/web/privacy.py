"""`/privacy`: where a workspace's prompts may go, what of them is kept here, and what that costs in endpoints."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, structs
from starlette.responses import Response

from tollway.domain.chat import Preferences
from tollway.domain.errors import TollwayError
from tollway.domain.people import Right
from tollway.domain.retention import Records
from tollway.domain.standing import Logging, WorkspaceSettings, standing_of
from tollway.gateway.workspace_desk import ChangedWorkspace, WorkspaceDesk
from tollway.routing.market import Market
from tollway.routing.reach import Reach, reach_of
from tollway.storage.contents import count_contents
from tollway.web.figures import day
from tollway.web.forms import converted_form
from tollway.web.meanwhile import Overwritten
from tollway.web.settings import Do, Frame, SettingsForm, SettingsPages, Shared, Visit, settings_of

SAID = {
    "policy": "Saved. The next request obeys.",
    "logging": "Saved. It holds for requests from now on; what is kept already stays until its time is over.",
    "deleted": "The kept prompts and answers are deleted.",
}


class PrivacyForm(SettingsForm, kw_only=True):
    """The fields of every form of this page; each form has some of them."""

    policy: str = ""
    private: str = ""
    shared: str = ""
    sampling: str = ""


class PolicyAsk(Struct):
    """Which policy."""

    policy: Literal["any", "deny", "zdr", "both"]


class ShareAsk(Struct):
    """Percent of requests."""

    sampling: Annotated[float, Meta(ge=0.01, le=100)]


class PolicyChoice(Struct, frozen=True):
    """One of the policies, and what is left of the market by it together with all other rules of the workspace."""

    value: str
    word: str
    means: str
    chosen: bool
    reach: Reach


class PrivacyView(Struct, frozen=True):
    """What `privacy.html` shows."""

    frame: Frame
    choices: tuple[PolicyChoice, ...]
    reach: Reach
    """By the settings as they are."""
    names: Mapping[str, str]
    """Providers' names by slug."""
    logging: Logging
    sampling: str
    records: Records
    discount: str
    kept: int
    since: str
    """The day of the oldest kept one."""


POLICIES: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("any", "Any provider", "Also those that may train on prompts, or keep them.", {}),
    (
        "deny",
        "Nobody trains on prompts",
        "Left out is who may train on them or keeps them (data_collection: deny). What is not known counts as done.",
        {"data_collection": "deny"},
    ),
    (
        "zdr",
        "Zero retention only",
        "Only providers that are known to keep no prompt after the answer (zdr).",
        {"zdr": True},
    ),
    (
        "both",
        "Zero retention, and no training",
        "Both of these.",
        {"data_collection": "deny", "zdr": True},
    ),
)
"""Value, word, what it means, and what `provider` says for it."""


class PrivacyPages(SettingsPages[PrivacyForm]):
    """Everybody in a workspace sees the choice; who manages it makes it."""

    path = "/privacy"
    form = PrivacyForm
    said = SAID

    def __init__(
        self,
        shared: Shared,
        *,
        workspaces: WorkspaceDesk,
        market_of: Callable[[str], Market],
        provider_name: Callable[[str], str],
        records: Records,
    ) -> None:
        super().__init__(shared)
        self._workspaces = workspaces
        self._market_of = market_of
        self._provider_name = provider_name
        self._records = records

    def changes(self) -> Mapping[str, Do[PrivacyForm]]:
        """Each form of the page."""
        return {"policy": self.set_policy, "logging": self.set_logging, "delete": self.delete}

    def overwritten(self, visit: Visit, name: str, form: PrivacyForm) -> Overwritten | None:
        """The settings of the workspace."""
        return settings_of(visit, self.path) if name in ("policy", "logging") else None

    async def set_policy(self, visit: Visit, form: PrivacyForm) -> str:
        """Where prompts may go: a ruling, which no request widens."""
        ask = converted_form({"policy": form.policy}, PolicyAsk)
        provider = settings_fields(await self._workspaces.settings(visit.workspace))
        for name in ("data_collection", "zdr"):
            provider.pop(name, None)
        provider |= next(wishes for value, _, _, wishes in POLICIES if value == ask.policy)
        await self._workspaces.change(
            visit.actor, visit.workspace.id, ChangedWorkspace(provider=provider), visit.now_ms
        )
        return "policy"

    async def set_logging(self, visit: Visit, form: PrivacyForm) -> str:
        """What is kept here."""
        said: dict[str, Any] = {
            "is_observability_io_logging_enabled": bool(form.private),
            "is_data_discount_logging_enabled": bool(form.shared),
        }
        if form.sampling.strip():
            share = converted_form({"sampling": form.sampling.strip().removesuffix("%")}, ShareAsk)
            said["io_logging_sampling_rate"] = share.sampling / 100
        ask = converted_form(said, ChangedWorkspace)
        await self._workspaces.change(visit.actor, visit.workspace.id, ask, visit.now_ms)
        return "logging"

    async def delete(self, visit: Visit, form: PrivacyForm) -> str:
        """Every kept prompt and answer of the workspace, for ever."""
        await self._workspaces.drop_contents(visit.actor, visit.workspace.id, visit.now_ms)
        return "deleted"

    async def page(
        self, visit: Visit, form: PrivacyForm | None = None, *, error: TollwayError | None = None, **more: str
    ) -> Response:
        """Each choice with what would be left by it."""
        settings = await self._workspaces.settings(visit.workspace)
        market = self._market_of(visit.workspace.id)
        chosen = policy_of(settings.provider)
        choices = tuple(
            PolicyChoice(value, word, means, value == chosen, _reach(market, with_policy(settings, wishes)))
            for value, word, means, wishes in POLICIES
        )
        reach = next(each.reach for each in choices if each.chosen)
        kept, oldest_ms = 0, None
        if visit.actor.may(Right.MANAGE, visit.workspace.id):
            kept, oldest_ms = await count_contents(self.database, visit.workspace.id)
        logging = settings.logging or Logging()
        view = PrivacyView(
            frame=await self.frame(visit, error),
            choices=choices,
            reach=reach,
            names={each.slug: self._provider_name(each.slug) for each in reach.providers},
            logging=logging,
            sampling=f"{logging.sampling * 100:g}",
            records=self._records,
            discount=f"{self._records.content_discount_percent:g}",
            kept=kept,
            since=day(oldest_ms) if oldest_ms is not None else "",
        )
        return self.answer(visit, "privacy.html", view, error)


def policy_of(provider: Preferences | None) -> str:
    """Which of `POLICIES` a workspace has."""
    denies = provider is not None and provider.data_collection == "deny"
    zdr = provider is not None and provider.zdr is True
    return "both" if denies and zdr else "deny" if denies else "zdr" if zdr else "any"


def with_policy(settings: WorkspaceSettings, wishes: Mapping[str, Any]) -> WorkspaceSettings:
    """The same settings with another policy."""
    plain = structs.replace(settings.provider or Preferences(), data_collection=None, zdr=None)
    return structs.replace(settings, provider=structs.replace(plain, **wishes))


def settings_fields(settings: WorkspaceSettings) -> dict[str, Any]:
    """The workspace's `provider` object, to be changed and set again."""
    found: dict[str, Any] = msgspec.to_builtins(settings.provider or Preferences())
    return found


def _reach(market: Market, settings: WorkspaceSettings) -> Reach:
    """By the rules that requests of the workspace meet; guardrails come on top of them."""
    standing = standing_of(settings)
    return reach_of(market, standing.rulings if standing else ())
