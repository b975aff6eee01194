"""The allowance: so many requests of a month over a workspace's own keys cost no fee (OPENROUTER.md 8.6)."""

from tollway.storage.byok_months import month_of, requests_of
from tollway.storage.database import Database


class ByokAllowance:
    """What is left is asked when a request is planned: those that are under way when it ends cost nothing either.

    Counted in memory from what the database said at a workspace's first request of a month; one node counts alone.
    """

    def __init__(self, database: Database, requests: int) -> None:
        self._database = database
        self._requests = requests
        self._used: dict[str, tuple[int, int]] = {}
        """Workspace -> month, and how many there were in it."""

    async def open(self, workspace_id: str, now_ms: int) -> None:
        """Reads what was used, where it is not known yet. StorageError: it can't be read."""
        month = month_of(now_ms)
        if not self._requests or self._is_known(workspace_id, month):
            return
        used = await requests_of(self._database, workspace_id, month)
        if not self._is_known(workspace_id, month):  # somebody else may have read it meanwhile, and gone on counting
            self._used[workspace_id] = month, used

    def left(self, workspace_id: str, now_ms: int) -> int:
        """How many more cost nothing. After `open`."""
        month, used = self._used.get(workspace_id, (0, 0))
        return max(0, self._requests - used) if month == month_of(now_ms) else 0

    def count(self, workspace_id: str, created_ms: int) -> None:
        """One more has gone over a workspace's own key, and that is durable."""
        month, used = self._used.get(workspace_id, (0, 0))
        if month == month_of(created_ms):
            self._used[workspace_id] = month, used + 1

    def _is_known(self, workspace_id: str, month: int) -> bool:
        return self._used.get(workspace_id, (0, 0))[0] >= month
