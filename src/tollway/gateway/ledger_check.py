"""A look at the whole ledger, asked for on the site: check by check, so that one sees how far it is."""

from msgspec import Struct

from tollway.domain.people import Actor
from tollway.gateway.background import Jobs
from tollway.gateway.base import Gateway
from tollway.gateway.overview import CHECKED
from tollway.identity.audit_log import AuditLog
from tollway.storage.audit import CHECK_NAMES, Finding, audit_ledger_by_check
from tollway.storage.database import Database, StorageError


class Progress(Struct, frozen=True):
    """How far a check is, or what it found."""

    running: bool
    done: tuple[Finding, ...]
    total: int
    failed: str = ""
    """The database did not answer."""
    took_ms: int = 0


class LedgerCheck:
    """One at a time; the last result is kept in the audit log, and its findings in memory."""

    def __init__(self, database: Database, audit: AuditLog, jobs: Jobs) -> None:
        self._database = database
        self._audit = audit
        self._jobs = jobs
        self.progress: Progress | None = None
        """None: nobody has asked since the start."""

    def start(self, actor: Actor) -> None:
        """Nothing happens while one runs."""
        if self.progress is None or not self.progress.running:
            self.progress = Progress(True, (), len(CHECK_NAMES))
            self._jobs.spawn(self._run(actor), "check the ledger")

    async def _run(self, actor: Actor) -> None:
        began_ms, found = Gateway.now_ms(), list[Finding]()
        try:
            async for finding in audit_ledger_by_check(self._database):
                found.append(finding)
                self.progress = Progress(True, tuple(found), len(CHECK_NAMES))
            now_ms = Gateway.now_ms()
            broken = [each.name for each in found if each.broken]
            await self._audit.write(
                actor, CHECKED, "ledger", now_ms=now_ms, broken=len(broken), names=broken, took_ms=now_ms - began_ms
            )
        except StorageError as error:
            self.progress = Progress(False, tuple(found), len(CHECK_NAMES), str(error))
            return
        self.progress = Progress(False, tuple(found), len(CHECK_NAMES), took_ms=now_ms - began_ms)
