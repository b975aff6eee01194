"""Who may sign up: the configuration's word at first, and an admin's from then on, without a restart."""

from msgspec import Struct

from tollway.domain.errors import Forbidden
from tollway.domain.people import Actor, SignUp
from tollway.identity.audit_log import AuditLog
from tollway.identity.people import People
from tollway.storage.database import Database
from tollway.storage.site_words import find_sign_up, set_sign_up


class SetSignUp(Struct, forbid_unknown_fields=True):
    """`PATCH /admin/v1/settings`; null: as the configuration says."""

    sign_up: SignUp | None


class SignUpDesk:
    """For admins who signed in lately: others get a Forbidden."""

    def __init__(self, database: Database, audit: AuditLog, people: People, file: SignUp) -> None:
        self._database = database
        self._audit = audit
        self._people = people
        self.file = file
        """What the configuration says."""
        self.own: SignUp | None = None
        """What an admin said; None: nothing."""

    @property
    def policy(self) -> SignUp:
        """What is in force."""
        return self._people.policy

    async def load(self) -> None:
        """Puts in force what was said before this start."""
        self._obey(await find_sign_up(self._database))

    async def change(self, actor: Actor, ask: SetSignUp, now_ms: int) -> None:
        """For who comes next. Links of invitations stay good, as they do with "off"."""
        if not actor.operator:
            raise Forbidden("For admins who signed in lately.")
        if ask.sign_up == self.own:
            return
        await self._audit.write(
            actor, "sign_up.changed", "sign_up", set_sign_up(ask.sign_up, now_ms),
            now_ms=now_ms, sign_up=ask.sign_up, before=self.own,
        )  # fmt: skip
        self._obey(ask.sign_up)

    def _obey(self, own: SignUp | None) -> None:
        self.own = own
        self._people.policy = self.file if own is None else own
