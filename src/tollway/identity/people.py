"""How people come in: the first admin's setup, signing up and in, invitations, passwords; and how they leave."""

import asyncio
import re
from collections.abc import Awaitable, Callable

import msgspec
from msgspec import Struct, structs

from tollway.domain.errors import Forbidden, InvalidRequest, NotFound, Unauthenticated
from tollway.domain.issuers import Identity
from tollway.domain.money import Nanodollars
from tollway.domain.passkeys import Passkey, place_of
from tollway.domain.people import Actor, Member, Role, SignUp, User, Workspace
from tollway.identity.audit_log import AuditLog
from tollway.identity.ids import new_id
from tollway.identity.keys import digest_of
from tollway.identity.passwords import Passwords
from tollway.identity.sessions import Sessions, new_token
from tollway.storage.database import ConflictError, Database, Statement
from tollway.storage.members import new_workspace, set_member
from tollway.storage.one_time_links import Purpose, drop_links, new_link, peek_link, take_link
from tollway.storage.passkeys import passkeys_of
from tollway.storage.sign_in_tries import keep_tries, load_tries
from tollway.storage.users import (
    drop_identity,
    find_user,
    find_user_by_identity,
    find_user_with_password,
    has_admin,
    identities_of,
    new_identity,
    new_user,
    set_password,
    set_profile,
)

HOUR_MS = 3_600_000
SETUP_MS, INVITATION_MS, PASSWORD_MS, HANDED_MS = HOUR_MS, 7 * 24 * HOUR_MS, HOUR_MS, 24 * HOUR_MS
EMAIL_MAX = 254
_EMAIL = re.compile(r"(?!.*=\?)[^@\s<>()\[\]\"',;:\\]+@[^@\s<>()\[\]\"',;:\\.]+(\.[^@\s<>()\[\]\"',;:\\.]+)*")
"""No comments, no literal addresses, and nothing that a mail program would decode (`=?`)."""
NO_LINK = "This link is used or over; ask for a new one."
WRONG = "The e-mail address or the password is wrong."
"""All that a failed sign-in says, whatever the reason."""
LAST_WAY = "You could not sign in any more: add a password or another way first."


class Welcome(Struct, frozen=True):
    """Whom a link invites: `email` if it must be this address, a workspace with a role, or neither."""

    email: str | None = None
    workspace_id: str | None = None
    role: Role = Role.MEMBER


class Ways(Struct, frozen=True):
    """How a user may sign in."""

    password: bool
    issuers: list[tuple[str, int]]
    """Their addresses, and since when each signs the user in."""
    passkeys: list[Passkey]
    """Those that work at this server's address."""

    @property
    def count(self) -> int:
        return self.password + len(self.issuers) + len(self.passkeys)


class People:
    """Needs what the one owner of the data directory has. Its answers never say who has an account."""

    def __init__(
        self,
        database: Database,
        pepper: bytes,
        audit: AuditLog,
        *,
        sign_up: SignUp = "off",
        launch_credit: Nanodollars = 0,
        grant: Callable[[str, Nanodollars, str, str], Awaitable[None]],
        passwords: Passwords | None = None,
        public_url: str = "",
    ) -> None:
        self._database = database
        self._pepper = pepper
        self._audit = audit
        self.policy: SignUp = sign_up
        """Who may sign up just now."""
        self._launch_credit = launch_credit
        self._grant = grant
        """Workspace, amount, ref, reason: promotional credits, once for each ref."""
        self.passwords = passwords or Passwords(pepper=pepper)
        self._restored = False
        """Whether the tries of the process before are counted."""
        self.sessions = Sessions(database, pepper)
        place = place_of(public_url)
        self._rp_id = place.rp_id if place else None
        """The host name that passkeys are made for, if they can be."""
        self.leaving = asyncio.Lock()
        """Held while a way to sign in is taken away: of the last two, one stays."""

    async def setup_token(self, now_ms: int) -> str | None:
        """The first start's link, which makes its holder the admin; each start makes a new one until there is one."""
        if await has_admin(self._database):
            return None
        token = new_token()
        digest = digest_of(token, self._pepper)
        link = new_link(digest, Purpose.SETUP, "{}", now_ms, now_ms + SETUP_MS)
        await self._database.write(drop_links(Purpose.SETUP), link)
        return token

    async def set_up(self, token: str, email: str, password: str, name: str, now_ms: int) -> User:
        """The first admin. Forbidden: the link is used, over, or never was."""
        address, hashed = checked_email(email), await self.passwords.hash(password)
        if await has_admin(self._database) or await self._take(token, Purpose.SETUP, now_ms) is None:
            raise Forbidden("This link does not work any more; restart the server for a new one.")
        user = User(new_id(now_ms), address, named(name, address), now_ms, email_verified=True, admin=True)
        await self._add(user, hashed, now_ms)
        return user

    async def sign_up(self, email: str, password: str, name: str, now_ms: int, invitation: str | None = None) -> User:
        """A new user with a personal workspace and the launch credit. Forbidden: sign-up is off, or by invitation.

        InvalidRequest: an address that is none or that has a user already.
        """
        address, hashed = checked_email(email), await self.passwords.hash(password)
        if await find_user_with_password(self._database, address) is not None:
            raise _taken()
        welcome = await self._welcome(invitation, address, now_ms)
        user = User(new_id(now_ms), address, named(name, address), now_ms, email_verified=welcome.email == address)
        await self._add(user, hashed, now_ms, welcome)
        return user

    async def create(self, actor: Actor, email: str, name: str, now_ms: int, *, admin: bool = False) -> User:
        """A user whom an admin makes, with a personal workspace and the launch credit; without a password as yet.

        InvalidRequest: an address that is none or that has a user already.
        """
        address = checked_email(email)
        user = User(new_id(now_ms), address, named(name, address), now_ms, admin=admin)
        await self._add(user, None, now_ms, actor=actor)
        return user

    async def come_in(self, identity: Identity, now_ms: int, invitation: str | None = None) -> User:
        """Whoever the issuer says it is: the user whom this identity signs in, or a new one, as `sign_up`.

        Forbidden: disabled; no verified e-mail address; or somebody has it already, which proves nothing here.
        """
        user = await find_user_by_identity(self._database, identity.issuer, identity.subject)
        if user is not None:
            if user.disabled:
                raise Forbidden("This account is disabled: ask the operator.")
            return user
        if identity.email is None:
            raise Forbidden("No e-mail address of yours is verified there: verify one, then come back.")
        address = checked_email(identity.email)
        if await find_user_with_password(self._database, address) is not None:
            raise Forbidden(
                "There is an account with your e-mail address. Sign in to it as you did before; then you can add this "
                "way of signing in on the account page."
            )
        welcome = await self._welcome(invitation, address, now_ms)
        user = User(new_id(now_ms), address, named(identity.name, address), now_ms, email_verified=True)
        await self._add(user, None, now_ms, welcome, identity=identity)
        return user

    async def link(self, user: User, identity: Identity, now_ms: int) -> None:
        """The identity signs this user in from now on. Forbidden: it signs somebody else in."""
        other = await find_user_by_identity(self._database, identity.issuer, identity.subject)
        if other is not None and other.id == user.id:
            return
        try:
            if other is not None:
                raise ConflictError("taken")
            await self._audit.write(
                Actor(user.email, {}), "identity.linked", user.id,
                new_identity(user.id, identity.issuer, identity.subject, now_ms),
                now_ms=now_ms, issuer=identity.issuer,
            )  # fmt: skip
        except ConflictError:
            raise Forbidden("That account signs somebody else in here already.") from None

    async def unlink(self, user: User, issuer: str, now_ms: int) -> None:
        """NotFound: there is no such link. InvalidRequest: nothing would be left to sign in with."""
        async with self.leaving:
            ways = await self.ways_in(user)
            if issuer not in {each for each, _ in ways.issuers}:
                raise NotFound("This is no way of yours to sign in.")
            if ways.count == sum(each == issuer for each, _ in ways.issuers):
                raise InvalidRequest(LAST_WAY)
            dropped = drop_identity(user.id, issuer)
            await self._audit.write(
                Actor(user.email, {}), "identity.unlinked", user.id, dropped, now_ms=now_ms, issuer=issuer
            )

    async def join(self, user: User, invitation: str, now_ms: int) -> str:
        """A user who is there already takes an invitation: the workspace's id. NotFound: it does not work any more."""
        record = await self._take(invitation, Purpose.INVITATION, now_ms)
        welcome = msgspec.json.decode(record, type=Welcome) if record else Welcome()
        if welcome.workspace_id is None or welcome.email not in (None, user.email):
            raise NotFound("This invitation is used, over, or for somebody else; ask for a new one.")
        member = Member(welcome.workspace_id, user.id, welcome.role, now_ms)
        await self._audit.write(
            Actor(user.email, {}), "member.joined", user.id, set_member(member),
            now_ms=now_ms, workspace_id=welcome.workspace_id, role=welcome.role.value,
        )  # fmt: skip
        return welcome.workspace_id

    async def invite(self, actor: Actor, welcome: Welcome, now_ms: int) -> str:
        """A link's secret, good for 7 days and once; the actor's right to invite was checked."""
        token = new_token()
        record = msgspec.json.encode(welcome).decode()
        link = new_link(digest_of(token, self._pepper), Purpose.INVITATION, record, now_ms, now_ms + INVITATION_MS)
        await self._audit.write(
            actor, "invitation.created", welcome.email or "anybody", link,
            now_ms=now_ms, workspace_id=welcome.workspace_id, role=welcome.role.value,
        )  # fmt: skip
        return token

    async def sign_in(self, email: str, password: str, *, address: str | None, now_ms: int) -> User:
        """Unauthenticated: the same words for every reason. RateLimited: too many tries."""
        wanted = email.strip().lower()[:EMAIL_MAX]
        now_ns = now_ms * 1_000_000
        await self._restore(now_ns)
        self.passwords.count(wanted, address, now_ns)
        found = await find_user_with_password(self._database, wanted)
        user, known = found or (None, None)
        right = await self.passwords.check(password, known)
        if not right or user is None or user.disabled:
            await self._database.write(*keep_tries(self.passwords.tries(wanted, address), now_ns))
            raise Unauthenticated(WRONG)
        return user

    async def _restore(self, now_ns: int) -> None:
        """The tries of the process before count as well."""
        if not self._restored:
            self.passwords.restore(await load_tries(self._database, now_ns))
            self._restored = True

    async def count_forgotten(self, email: str, *, address: str | None, now_ms: int) -> None:
        """RateLimited: too many links were asked for, whether anybody has the address or not.

        As wrong passwords are counted, but apart from them for each user, so that nobody is kept from signing in.
        """
        wanted, now_ns = f"forgotten {email.strip().lower()[:EMAIL_MAX]}", now_ms * 1_000_000
        await self._restore(now_ns)
        self.passwords.count(wanted, address, now_ns)
        await self._database.write(*keep_tries(self.passwords.tries(wanted, address), now_ns))

    async def forgotten_link(self, email: str, now_ms: int) -> tuple[User, str] | None:
        """The user of this address, and the secret of a link to choose a new password: once, within an hour.

        None: nobody, or somebody who is kept out.
        """
        found = await find_user_with_password(self._database, email.strip().lower()[:EMAIL_MAX])
        if found is None or found[0].disabled:
            return None
        return found[0], await self.password_link(found[0], now_ms)

    async def change_password(
        self, user: User, old: str, new: str, now_ms: int, *, keep_session: str, fresh: bool = False
    ) -> None:
        """Every other session of the user ends. Unauthenticated: the old one is wrong.

        Who has none, because they come by an issuer, gets one without an old one, if they came lately: `fresh`.
        """
        found = await find_user_with_password(self._database, user.email)
        if not (fresh and found is not None and found[1] is None):
            await self.sign_in(user.email, old, address=None, now_ms=now_ms)
        await self._set_password(user, new, now_ms)
        await self.sessions.end_all(user.id, but=keep_session)

    async def change_profile(self, user: User, name: str, email: str, now_ms: int) -> User:
        """Another name or e-mail address; nobody has proven a new address. InvalidRequest: none, or somebody's."""
        address = checked_email(email)
        new = structs.replace(
            user, name=named(name, address), email=address, email_verified=user.email_verified and address == user.email
        )
        try:
            await self._audit.write(
                Actor(user.email, {}), "user.changed", user.id, set_profile(new),
                now_ms=now_ms, fields=[each for each in ("name", "email") if getattr(new, each) != getattr(user, each)],
            )  # fmt: skip
        except ConflictError:
            raise InvalidRequest("email: another user has this address", param="email") from None
        return new

    async def ways_in(self, user: User) -> Ways:
        """Password, issuers and passkeys."""
        found = await find_user_with_password(self._database, user.email)
        passkeys = [each for each in await passkeys_of(self._database, user.id) if each.rp_id == self._rp_id]
        return Ways(found is not None and found[1] is not None, await identities_of(self._database, user.id), passkeys)

    async def password_link(self, user: User, now_ms: int, actor: Actor | None = None) -> str:
        """The secret of a link to choose a new password, once: for an hour, or for a day where an admin hands it over.

        `actor`: the admin who asks for it, which the audit log keeps.
        """
        token = new_token()
        digest = digest_of(token, self._pepper)
        until_ms = now_ms + (PASSWORD_MS if actor is None else HANDED_MS)
        link = new_link(digest, Purpose.PASSWORD, user.id, now_ms, until_ms)
        if actor is None:
            await self._database.write(link)
        else:
            await self._audit.write(actor, "password.link_created", user.id, link, now_ms=now_ms)
        return token

    async def reset_password(self, token: str, new: str, now_ms: int) -> User:
        """Signs the user out everywhere. NotFound: the link does not work any more."""
        if await peek_link(self._database, digest_of(token, self._pepper), Purpose.PASSWORD, now_ms) is None:
            raise NotFound(NO_LINK)  # before a hash is made, which takes a while and 64 MiB
        hashed = await self.passwords.hash(new)
        user_id = await self._take(token, Purpose.PASSWORD, now_ms)
        user = await find_user(self._database, user_id) if user_id else None
        if user is None or user.disabled:
            raise NotFound(NO_LINK)
        await self._write_password(user, hashed, now_ms)
        await self.sessions.end_all(user.id)
        return user

    async def _set_password(self, user: User, password: str, now_ms: int) -> None:
        await self._write_password(user, await self.passwords.hash(password), now_ms)

    async def _write_password(self, user: User, hashed: str, now_ms: int) -> None:
        actor = Actor(user.email, {})
        await self._audit.write(actor, "password.changed", user.id, set_password(user.id, hashed), now_ms=now_ms)

    async def _welcome(self, invitation: str | None, address: str, now_ms: int) -> Welcome:
        if invitation is not None:
            record = await self._take(invitation, Purpose.INVITATION, now_ms)
            welcome = msgspec.json.decode(record, type=Welcome) if record else None
            if welcome is None or welcome.email not in (None, address):
                raise Forbidden("This invitation is used, over, or for another e-mail address; ask for a new one.")
            return welcome
        if self.policy != "open":
            how = "by invitation only" if self.policy == "invite" else "switched off here"
            raise Forbidden(f"Signing up is {how}: ask the operator.")
        return Welcome()

    async def _add(
        self,
        user: User,
        hashed: str | None,
        now_ms: int,
        welcome: Welcome | None = None,
        actor: Actor | None = None,
        identity: Identity | None = None,
    ) -> None:
        welcome = welcome or Welcome()
        workspace = personal_workspace(user, now_ms)
        changes: list[Statement] = [
            new_user(user, hashed),
            *new_workspace(workspace),
            set_member(Member(workspace.id, user.id, Role.OWNER, now_ms)),
        ]
        if welcome.workspace_id is not None:
            changes.append(set_member(Member(welcome.workspace_id, user.id, welcome.role, now_ms)))
        if identity is not None:
            changes.append(new_identity(user.id, identity.issuer, identity.subject, now_ms))
        try:
            await self._audit.write(
                actor or Actor(user.email, {}), "user.created", user.id, *changes, now_ms=now_ms, admin=user.admin
            )
        except ConflictError:
            raise _taken() from None
        if self._launch_credit:
            await asyncio.shield(self._grant(workspace.id, self._launch_credit, f"launch-{user.id}", "launch credit"))

    async def _take(self, token: str, purpose: Purpose, now_ms: int) -> str | None:
        return await take_link(self._database, digest_of(token, self._pepper), purpose, now_ms)


def _taken() -> InvalidRequest:
    return InvalidRequest("email: there is a user with this address; sign in.", param="email")


def personal_workspace(user: User, now_ms: int) -> Workspace:
    """Each user's own."""
    workspace_id = new_id(now_ms)
    return Workspace(workspace_id, workspace_id, f"{user.name}'s workspace", now_ms, personal=True, created_by=user.id)


def checked_email(text: str) -> str:
    """In lower case. InvalidRequest: not an e-mail address."""
    address = text.strip().lower()
    if len(address) > EMAIL_MAX or not address.isprintable() or not _EMAIL.fullmatch(address):
        raise InvalidRequest("email: this is not an e-mail address", param="email")
    return address


def named(name: str, address: str) -> str:
    """A user's name; by default what stands before the @."""
    shown = " ".join("".join(each for each in name if each.isprintable()).split())[:100]
    return shown or address.partition("@")[0]
