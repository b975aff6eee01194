"""A workspace's budgets: set and taken away by those who manage it, and obeyed by the next request."""

from decimal import Decimal
from itertools import pairwise

from msgspec import Struct

from tollway.domain.budgets import Budget, Interval
from tollway.domain.errors import InvalidRequest, NotFound
from tollway.domain.money import nanodollars_to_text
from tollway.domain.people import Actor, Right
from tollway.gateway.books import Books
from tollway.gateway.key_desk import checked_limit
from tollway.gateway.workspace_desk import WorkspaceDesk
from tollway.identity.audit_log import AuditLog
from tollway.identity.ids import new_id
from tollway.storage import budgets
from tollway.storage.database import Database


class SetBudget(Struct):
    """`PUT /workspaces/{id}/budgets/{interval}`."""

    limit_usd: Decimal
    include_byok_in_budgets: bool = False


class BudgetDesk:
    """What may be done to budgets, and by whom: to see them is for every member."""

    def __init__(self, database: Database, books: Books, audit: AuditLog, workspaces: WorkspaceDesk) -> None:
        self._database = database
        self._books = books
        self._audit = audit
        self._workspaces = workspaces

    async def list(self, actor: Actor, id_or_slug: str) -> dict[Interval, Budget]:
        """A workspace's budgets, the broadest first."""
        workspace = await self._workspaces.find(actor, id_or_slug)
        return await budgets.budgets_of(self._database, workspace.id)

    async def find(self, actor: Actor, id_or_slug: str, interval: str) -> Budget:
        """NotFound: there is none for this interval."""
        found = (await self.list(actor, id_or_slug)).get(_interval(interval))
        if found is None:
            raise NotFound(f"This workspace has no {interval} budget.")
        return found

    async def set(self, actor: Actor, id_or_slug: str, interval: str, ask: SetBudget, now_ms: int) -> Budget:
        """What was spent in the interval counts, also from before. InvalidRequest: not below the broader ones."""
        workspace = await self._workspaces.find(actor, id_or_slug, Right.MANAGE)
        wanted, limit = _interval(interval), checked_limit(ask.limit_usd, "limit_usd")
        if not limit:
            raise InvalidRequest("limit_usd: must be more than 0", param="limit_usd")
        if ask.include_byok_in_budgets:
            raise InvalidRequest(
                "include_byok_in_budgets: what goes over keys of one's own is not counted here; leave it out",
                param="include_byok_in_budgets",
            )
        held = await budgets.budgets_of(self._database, workspace.id)
        was = held.get(wanted)
        budget = Budget(
            was.id if was else new_id(now_ms), workspace.id, wanted, limit, was.created_ms if was else now_ms, now_ms
        )
        _check_order({**held, wanted: budget})
        await self._audit.write(
            actor, "budget.set", workspace.id, budgets.set_budget(budget),
            now_ms=now_ms, workspace_id=workspace.id, interval=wanted.value, limit_usd=nanodollars_to_text(limit),
        )  # fmt: skip
        await self._books.change_budgets(workspace.id)
        return budget

    async def delete(self, actor: Actor, id_or_slug: str, interval: str, now_ms: int) -> None:
        """Nothing happens if there is none."""
        workspace = await self._workspaces.find(actor, id_or_slug, Right.MANAGE)
        wanted = _interval(interval)
        if wanted in await budgets.budgets_of(self._database, workspace.id):
            await self._audit.write(
                actor, "budget.deleted", workspace.id, budgets.delete_budget(workspace.id, wanted),
                now_ms=now_ms, workspace_id=workspace.id, interval=wanted.value,
            )  # fmt: skip
        await self._books.change_budgets(workspace.id)


def _interval(text: str) -> Interval:
    try:
        return Interval(text)
    except ValueError:
        raise InvalidRequest(f"interval: one of {', '.join(Interval)}", param="interval") from None


def _check_order(held: dict[Interval, Budget]) -> None:
    """A shorter interval's limit is strictly below each longer one's (OPENROUTER.md 8.8)."""
    ordered = [held[interval] for interval in Interval if interval in held]
    for broad, narrow in pairwise(ordered):
        if narrow.limit >= broad.limit:
            raise InvalidRequest(
                f"limit_usd: the {narrow.interval.value} budget must be below the {broad.interval.value} one",
                param="limit_usd",
            )
