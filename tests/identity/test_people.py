"""Users, invitations, passwords, sessions, and who may do what where."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from tollway.domain.errors import Forbidden, InvalidRequest, NotFound, RateLimited, Unauthenticated
from tollway.domain.identity import KeyKind
from tollway.domain.mail import Letter
from tollway.domain.people import RIGHTS, Actor, Right, Role, SignUp
from tollway.identity.actors import actor_of_key, actor_of_session
from tollway.identity.audit_log import AuditLog
from tollway.identity.ids import new_id
from tollway.identity.keys import issue_key
from tollway.identity.passwords import Passwords
from tollway.identity.people import People, Welcome, checked_email
from tollway.identity.sessions import IDLE_MS, WHOLE_MS
from tollway.storage.audit_log import list_entries, verify
from tollway.storage.database import Statement
from tollway.storage.members import find_workspace, memberships_of, set_member
from tollway.storage.migrate import migrate
from tollway.storage.sqlite import SqliteDatabase
from tollway.storage.users import set_user
from tollway.upstream.smtp import message_of

NOW_MS = 1_800_000_000_000
PASSWORD = "correct horse"


class Hall:
    """People over a database of their own; `granted` is what new users got."""

    def __init__(self, database: SqliteDatabase, sign_up: SignUp) -> None:
        self.database = database
        self.granted: list[tuple[str, int, str]] = []
        self.audit = AuditLog(database)
        cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        self.people = People(
            database,
            b"pepper",
            self.audit,
            sign_up=sign_up,
            launch_credit=5,
            grant=self._grant,
            passwords=Passwords(cheap),
        )

    async def _grant(self, workspace_id: str, amount: int, ref: str, reason: str) -> None:
        self.granted.append((workspace_id, amount, ref))


def inside(test: Callable[[Hall], Awaitable[None]], tmp_path: Path, sign_up: SignUp = "open") -> None:
    """Runs a test over a new database."""

    async def run() -> None:
        database = SqliteDatabase(tmp_path / "t.db")
        try:
            await migrate(database)
            await test(Hall(database, sign_up))
            assert (await verify(database)).broken == ()
        finally:
            await database.close()

    asyncio.run(run())


def test_the_first_start(tmp_path: Path) -> None:
    """One link, for one hour, makes one admin; then there is none any more."""

    async def test(hall: Hall) -> None:
        people = hall.people
        old = await people.setup_token(NOW_MS)
        token = await people.setup_token(NOW_MS)
        assert old is not None
        assert token is not None
        for wrong, at_ms in ((old, NOW_MS), ("x", NOW_MS), (token, NOW_MS + 3_600_000)):
            with pytest.raises(Forbidden):
                await people.set_up(wrong, "a@example.com", PASSWORD, "Ada", at_ms)
        user = await people.set_up(token, " A@Example.com", PASSWORD, "", NOW_MS)
        assert (user.email, user.name, user.admin) == ("a@example.com", "a", True)
        with pytest.raises(Forbidden):
            await people.set_up(token, "b@example.com", PASSWORD, "", NOW_MS)
        assert await people.setup_token(NOW_MS) is None

    inside(test, tmp_path, "off")


def test_signing_up(tmp_path: Path) -> None:
    """A user, a personal workspace that they own, the launch credit, once; a second one of the address is told."""

    async def test(hall: Hall) -> None:
        user = await hall.people.sign_up("a@example.com", PASSWORD, "Ada\n\x00 L.", NOW_MS)
        assert user.name == "Ada L."
        [held] = await memberships_of(hall.database, user.id)
        workspace = await find_workspace(hall.database, held.workspace_id)
        assert held.role is Role.OWNER
        assert workspace is not None
        assert workspace.personal
        assert hall.granted == [(workspace.id, 5, f"launch-{user.id}")]
        both = await asyncio.gather(
            *(hall.people.sign_up("b@example.com", PASSWORD, "", NOW_MS) for _ in range(2)), return_exceptions=True
        )
        assert sorted(type(each).__name__ for each in both) == ["InvalidRequest", "User"]
        assert len(hall.granted) == 2
        for email in ("", "a", "a@", "@b", "a b@c.d", "a@b..c", "a" * 250 + "@b.cd", "<a@b.c>"):
            with pytest.raises(InvalidRequest):
                await hall.people.sign_up(email, PASSWORD, "", NOW_MS)
        for password in ("short", "x" * 257):
            with pytest.raises(InvalidRequest):
                await hall.people.sign_up("c@example.com", password, "", NOW_MS)

    inside(test, tmp_path)


@pytest.mark.parametrize("sign_up", ["off", "invite"])
def test_invitations(tmp_path: Path, sign_up: SignUp) -> None:
    """Where sign-up is not open, a link lets in, once, whom it names; it may bring a role in a workspace."""

    async def test(hall: Hall) -> None:
        people, admin = hall.people, Actor("admin", {}, operator=True)
        with pytest.raises(Forbidden):
            await people.sign_up("a@example.com", PASSWORD, "", NOW_MS)
        first = await people.sign_up(
            "a@example.com", PASSWORD, "", NOW_MS, await people.invite(admin, Welcome(), NOW_MS)
        )
        [home] = await memberships_of(hall.database, first.id)
        welcome = Welcome("b@example.com", home.workspace_id, Role.BILLING)
        token = await people.invite(admin, welcome, NOW_MS)
        with pytest.raises(Forbidden):
            await people.sign_up("c@example.com", PASSWORD, "", NOW_MS, token)
        token = await people.invite(admin, welcome, NOW_MS)
        second = await people.sign_up("b@example.com", PASSWORD, "", NOW_MS, token)
        roles = {each.workspace_id: each.role for each in await memberships_of(hall.database, second.id)}
        assert roles[home.workspace_id] is Role.BILLING
        assert len(roles) == 2
        with pytest.raises(Forbidden):
            await people.sign_up("d@example.com", PASSWORD, "", NOW_MS, token)
        joining = await people.invite(admin, Welcome(None, home.workspace_id, Role.ADMIN), NOW_MS)
        assert await people.join(second, joining, NOW_MS) == home.workspace_id
        for token, at_ms in ((joining, NOW_MS), ("x", NOW_MS)):
            with pytest.raises(NotFound):
                await people.join(first, token, at_ms)
        late = await people.invite(admin, Welcome(None, home.workspace_id), NOW_MS)
        with pytest.raises(NotFound):
            await people.join(first, late, NOW_MS + 8 * 24 * 3_600_000)

    inside(test, tmp_path, sign_up)


def test_signing_in(tmp_path: Path) -> None:
    """The same words for an unknown user, a wrong password and a disabled user; five tries in a quarter of an hour."""

    async def test(hall: Hall) -> None:
        people = hall.people
        user = await people.sign_up("a@example.com", PASSWORD, "", NOW_MS)
        assert await people.sign_in("A@example.com ", PASSWORD, address="1.2.3.4", now_ms=NOW_MS) == user
        words = set()
        for email, password in (
            ("a@example.com", "wrong"),
            ("b@example.com", PASSWORD),
            ("", ""),
            ("a@example.com", "x" * 999),
        ):
            with pytest.raises(Unauthenticated) as refused:
                await people.sign_in(email, password, address="1.2.3.4", now_ms=NOW_MS)
            words.add(refused.value.message)
        assert len(words) == 1
        for _ in range(2):
            await people.sign_in("a@example.com", PASSWORD, address=None, now_ms=NOW_MS)
        with pytest.raises(RateLimited):
            await people.sign_in("a@example.com", PASSWORD, address=None, now_ms=NOW_MS)
        later_ms = NOW_MS + 15 * 60_000
        await hall.database.write(set_user(structs.replace(user, disabled=True)))
        with pytest.raises(Unauthenticated) as refused:
            await people.sign_in("a@example.com", PASSWORD, address=None, now_ms=later_ms)
        assert refused.value.message in words

    inside(test, tmp_path)


def test_guessing_from_one_address(tmp_path: Path) -> None:
    """Fifty tries an hour from an address, whichever users they are for."""

    async def test(hall: Hall) -> None:
        for number in range(50):
            with pytest.raises(Unauthenticated):
                await hall.people.sign_in(f"{number}@example.com", "x", address="1.2.3.4", now_ms=NOW_MS)
        with pytest.raises(RateLimited):
            await hall.people.sign_in("other@example.com", "x", address="1.2.3.4", now_ms=NOW_MS)
        with pytest.raises(Unauthenticated):
            await hall.people.sign_in("other@example.com", "x", address="1.2.3.5", now_ms=NOW_MS)

    inside(test, tmp_path)


def test_passwords_change(tmp_path: Path) -> None:
    """By the old one, which ends the other sessions; by a link, which ends them all, and works once."""

    async def test(hall: Hall) -> None:
        people, sessions = hall.people, hall.people.sessions
        user = await people.sign_up("a@example.com", PASSWORD, "", NOW_MS)
        here = await sessions.start(user, NOW_MS, address="1.2.3.4", user_agent="a" * 999)
        there = await sessions.start(user, NOW_MS, address=None, user_agent=None)
        found = await sessions.find(here, NOW_MS)
        assert found is not None
        with pytest.raises(Unauthenticated):
            await people.change_password(user, "wrong", "another one", NOW_MS, keep_session=found[0].id)
        await people.change_password(user, PASSWORD, "another one", NOW_MS, keep_session=found[0].id)
        assert await sessions.find(here, NOW_MS)
        assert await sessions.find(there, NOW_MS) is None
        token = await people.password_link(user, NOW_MS)
        assert await people.reset_password(token, "a third one", NOW_MS) == user
        assert await sessions.find(here, NOW_MS) is None
        with pytest.raises(NotFound):
            await people.reset_password(token, "a fourth one", NOW_MS)
        await people.sign_in("a@example.com", "a third one", address=None, now_ms=NOW_MS)

    inside(test, tmp_path)


def test_sessions_end(tmp_path: Path) -> None:
    """Idle for 7 days, after 30 days, by name, with their user; what is no secret of ours is nobody."""

    async def test(hall: Hall) -> None:
        sessions = hall.people.sessions
        user = await hall.people.sign_up("a@example.com", PASSWORD, "", NOW_MS)
        other = await hall.people.sign_up("b@example.com", PASSWORD, "", NOW_MS)
        token = await sessions.start(user, NOW_MS, address=None, user_agent=None)
        for wrong in ("", "x", token[:-1], token[:-1] + "\u00e9", token + "x"):
            assert await sessions.find(wrong, NOW_MS) is None
        assert await sessions.find(token, NOW_MS + IDLE_MS)
        assert await sessions.find(token, NOW_MS + IDLE_MS + IDLE_MS)
        assert await sessions.find(token, NOW_MS + 3 * IDLE_MS + 1) is None
        token = await sessions.start(user, NOW_MS, address=None, user_agent=None)
        for days in range(5, 31, 5):
            assert await sessions.find(token, NOW_MS + days * 86_400_000), days
        assert await sessions.find(token, NOW_MS + WHOLE_MS + 1) is None
        token = await sessions.start(user, NOW_MS, address=None, user_agent=None)
        [session] = [each for each in await sessions.list(user.id) if each.created_ms == NOW_MS][:1]
        assert not await sessions.end(session.id, other.id)
        assert await sessions.end(session.id, user.id)
        token = await sessions.start(user, NOW_MS, address=None, user_agent=None)
        await hall.database.write(set_user(structs.replace(user, disabled=True)))
        assert await sessions.find(token, NOW_MS) is None

    inside(test, tmp_path)


def test_who_asks(tmp_path: Path) -> None:
    """A provisioning key has no more than its creator has today; an admin has everything, for 15 minutes."""

    async def test(hall: Hall) -> None:
        database, people = hall.database, hall.people
        user = await people.sign_up("a@example.com", PASSWORD, "", NOW_MS)
        [held] = await memberships_of(database, user.id)
        home = held.workspace_id

        async def roles_of_key(creator: str | None) -> dict[str, Role]:
            key, _ = issue_key(
                workspace_id=home, name="k", pepper=b"p", now_ms=NOW_MS, kind=KeyKind.PROVISIONING,
                creator_user_id=creator,
            )  # fmt: skip
            return dict((await actor_of_key(database, key)).roles)

        assert await roles_of_key(None) == {home: Role.ADMIN}
        for role, expected in (
            (Role.OWNER, {home: Role.ADMIN}), (Role.ADMIN, {home: Role.ADMIN}), (Role.MEMBER, {}), (Role.BILLING, {}),
        ):  # fmt: skip
            await database.write(set_member(structs.replace(held, role=role)))
            assert await roles_of_key(user.id) == expected, role
        await database.write(set_user(structs.replace(user, disabled=True)))
        assert await roles_of_key(user.id) == {}
        admin = structs.replace(user, admin=True)
        await database.write(set_user(admin))
        token = await people.sessions.start(admin, NOW_MS, address=None, user_agent=None)
        found = await people.sessions.find(token, NOW_MS)
        assert found is not None
        for minutes, operator in ((0, True), (15, True), (16, False)):
            actor = await actor_of_session(database, *found, NOW_MS + minutes * 60_000)
            assert actor.operator is operator

    inside(test, tmp_path)


def test_rights() -> None:
    """A role that is missing hides the workspace, one that is too low says so; the operator may do everything."""
    for role in Role:
        actor = Actor("a", {"w": role}, "w")
        for right in Right:
            if right in RIGHTS[role]:
                assert actor.workspace(None, right) == "w"
            else:
                with pytest.raises(Forbidden, match=role.value):
                    actor.require(right, "w")
            with pytest.raises(NotFound):
                actor.workspace("other", right)
    with pytest.raises(NotFound):
        Actor("a", {}).workspace(None, Right.SEE)
    assert Actor("operator", {}, operator=True).workspace("any", Right.OWN) == "any"


def test_the_audit_log_is_a_chain(tmp_path: Path) -> None:
    """Each change is there with its entry, or neither is; an entry that is changed or taken away is found."""

    async def run() -> None:
        database = SqliteDatabase(tmp_path / "t.db")
        await migrate(database)
        log, actor = AuditLog(database), Actor("ada", {})
        await asyncio.gather(*(log.write(actor, "x.done", str(n), now_ms=n, workspace_id="w", n=n) for n in range(5)))
        with pytest.raises(Exception, match=r"no such table|syntax"):
            await log.write(actor, "x.failed", "t", Statement("INSERT INTO nowhere VALUES (1)"), now_ms=9)
        await AuditLog(database).write(actor, "x.done", "5", now_ms=5)
        entries = await list_entries(database)
        assert [entry.number for entry in entries] == [6, 5, 4, 3, 2, 1]
        assert [entry.number for entry in await list_entries(database, before=4, workspace_id="w", limit=2)] == [3, 2]
        assert (await verify(database)).broken == ()
        await database.write(Statement("UPDATE audit_log SET actor = 'eve' WHERE number = 3"))
        assert (await verify(database)).broken == ("3: x.done by eve",)
        await database.write(Statement("DELETE FROM audit_log WHERE number = 3"))
        assert (await verify(database)).broken == ("4: x.done by ada",)
        await database.close()

    asyncio.run(run())


ODD_ADDRESSES = ("a@[", "a@[b", "a@b]", "=?utf-8?b?!?=@c.d", "a@=?b", "a(b)@c.d", "(a@b")
"""What the library of mail headers fails at, or reads as something else."""


@pytest.mark.parametrize("text", ODD_ADDRESSES)
def test_odd_addresses(text: str) -> None:
    with pytest.raises(InvalidRequest, match="not an e-mail address"):
        checked_email(text)


@given(st.text(max_size=300) | st.text("ab@.[]()=?!-_+", max_size=30))
def test_any_text_as_an_address(text: str) -> None:
    """An address that is taken is in lower case, printable, of one @, is taken again as it is; mail can go there."""
    try:
        address = checked_email(text)
    except InvalidRequest:
        return
    assert address.count("@") == 1
    assert address.isprintable()
    assert checked_email(address) == address
    assert message_of(Letter("id-1", address, "Hello", "Hello"), "tollway@example.net")["To"]


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**48 - 1))
def test_ids_grow_with_time(one: int, other: int) -> None:
    """RFC 9562: a UUID of version 7, in order of its milliseconds."""
    ids = new_id(one), new_id(other)
    assert all(uuid.UUID(each).version == 7 for each in ids)
    assert one >= other or ids[0] < ids[1]
