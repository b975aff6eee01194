"""A user who is disabled, removed or given another role: sessions and streams end at once (FAULTS.md 4.1)."""

import asyncio

import pytest

from tests.gateway.clients import chat, run, until
from tests.support import Stage, offer, staged
from tollway.domain.errors import Forbidden, InvalidRequest, NotFound
from tollway.domain.identity import KeyKind
from tollway.domain.people import Actor, Role, User
from tollway.gateway.key_desk import ChangedKey
from tollway.gateway.member_desk import AddMembers, RemoveMembers
from tollway.identity.actors import OPERATOR
from tollway.identity.people import personal_workspace
from tollway.storage.audit_log import list_entries
from tollway.storage.members import new_workspace

WITHIN_S = 5.0
SLOW = offer(upstream="m@tokens=400,tokens_per_s=20")


async def sessions_of(stage: Stage, user: User) -> int:
    return len(await stage.house.people.sessions.list(user.id))


@pytest.mark.parametrize("where", ["team", "own"])
def test_a_disabled_user(where: str) -> None:
    """Their streams end within 5 s, their keys of every kind are refused, no session goes on; another's go on.

    Enabled again, the keys work, but for the one that was disabled by itself; they must sign in anew.
    """

    async def scene() -> None:
        async with staged(SLOW) as stage:
            ada, bob = await stage.new_user("ada", Role.MEMBER), await stage.new_user("bob", Role.OWNER)
            if where == "own":
                place = personal_workspace(ada, 1)
                await stage.house.database.write(*new_workspace(place))
                key = await stage.new_key(place.id, credits_usd="1")  # the command line made it, for nobody
            else:
                key = await stage.new_key(creator=ada)
            off = await stage.new_key(creator=ada, disabled=True)
            manager = await stage.new_key(creator=ada, kind=KeyKind.PROVISIONING)
            other = await stage.new_key(creator=bob)
            await stage.signed_in(ada)
            await stage.signed_in(bob)
            asked = asyncio.create_task(chat(stage, key, stream=True, max_tokens=400))
            others = asyncio.create_task(chat(stage, other, stream=True, max_tokens=400))
            await until(lambda: len(stage.received) == 2)
            await asyncio.sleep(0.3)
            users = stage.house.users
            assert (await users.disable(OPERATOR, ada.id, 1)).disabled
            assert (await users.disable(OPERATOR, ada.id, 1)).disabled
            seen = await asyncio.wait_for(asked, WITHIN_S)
            assert seen.error is not None
            assert (seen.error["code"], seen.failed_in_order) == (401, True)
            assert not others.done()
            assert (await sessions_of(stage, ada), await sessions_of(stage, bob)) == (0, 1)
            for each in (key, off, manager):
                assert (await chat(stage, each)).status == 401
            others.cancel()
            await asyncio.gather(others, return_exceptions=True)
            assert not (await users.enable(OPERATOR, ada.id, 1)).disabled
            stage.simulator.script("m", ["tokens=3"])
            assert (await chat(stage, key)).status == 200
            assert (await chat(stage, off)).status == 401
            assert (await chat(stage, manager)).status == 403
            assert await sessions_of(stage, ada) == 0
            actions = [each.action for each in await list_entries(stage.house.database)]
            assert (actions.count("user.disabled"), actions.count("user.enabled")) == (1, 1)

    run(scene)


def test_a_key_that_is_changed_meanwhile() -> None:
    """Whatever an admin of the workspace does to it, a disabled user's key works no more."""

    async def scene() -> None:
        async with staged(offer()) as stage:
            ada = await stage.new_user("ada", Role.MEMBER)
            key = await stage.new_key(creator=ada)
            assert (await chat(stage, key)).status == 200
            await stage.house.users.disable(OPERATOR, ada.id, 1)
            await stage.house.keys.change(OPERATOR, key.key.id, ChangedKey(name="n", disabled=False), 1)
            assert (await chat(stage, key)).status == 401

    run(scene)


def test_there_is_always_an_admin() -> None:
    """The last one who can sign in is neither disabled nor unmade, also when two do it to each other at once."""

    async def scene() -> None:
        async with staged(offer()) as stage:
            users = stage.house.users
            ada, bob = await stage.new_user("ada", admin=True), await stage.new_user("bob", admin=True)
            done = await asyncio.gather(
                *(users.disable(OPERATOR, each.id, 1) for each in (ada, bob)), return_exceptions=True
            )
            assert [type(each).__name__ for each in done] == ["User", "InvalidRequest"]
            with pytest.raises(InvalidRequest):
                await users.set_admin(OPERATOR, bob.id, False, 1)
            await users.enable(OPERATOR, ada.id, 1)
            await stage.signed_in(bob)
            await users.set_admin(OPERATOR, bob.id, False, 1)
            assert await sessions_of(stage, bob) == 0
            await users.set_admin(OPERATOR, bob.id, True, 1)
            await stage.signed_in(bob)
            await users.end_sessions(OPERATOR, bob.id, 1)
            assert await sessions_of(stage, bob) == 0

    run(scene)


def test_for_admins_only() -> None:
    """Somebody else gets a 403, whoever they ask for; nobody is a 404."""

    async def scene() -> None:
        async with staged(offer()) as stage:
            users, ada = stage.house.users, await stage.new_user("ada")
            stranger = Actor("ada@example.com", {}, user=ada)
            for act in (users.disable, users.enable, users.end_sessions):
                with pytest.raises(Forbidden):
                    await act(stranger, ada.id, 1)
                with pytest.raises(NotFound):
                    await act(OPERATOR, "nobody", 1)
            with pytest.raises(Forbidden):
                await users.set_admin(stranger, ada.id, True, 1)

    run(scene)


@pytest.mark.parametrize("before", [Role.ADMIN, Role.MEMBER])
def test_another_role(before: Role) -> None:
    """Sessions end with any other role; streams of the user's keys there only where it allows less. The keys go on."""

    async def scene() -> None:
        after = Role.MEMBER if before is Role.ADMIN else Role.ADMIN
        async with staged(SLOW) as stage:
            house = stage.house
            ada = await stage.new_user("ada", before)
            await stage.new_user("bob", Role.OWNER)
            await stage.join(ada, before, "elsewhere")
            here = await stage.new_key(creator=ada)
            there = await stage.new_key("elsewhere", creator=ada, credits_usd="1")
            await stage.signed_in(ada)
            asked = [asyncio.create_task(chat(stage, each, stream=True, max_tokens=400)) for each in (here, there)]
            await until(lambda: len(stage.received) == 2)
            await asyncio.sleep(0.3)
            await house.members.add(OPERATOR, "home", AddMembers((ada.id,), before), 1)
            assert await sessions_of(stage, ada) == 1  # nothing changed
            await house.members.add(OPERATOR, "home", AddMembers((ada.id,), after), 1)
            assert await sessions_of(stage, ada) == 0
            if before is Role.ADMIN:
                seen = await asyncio.wait_for(asked[0], WITHIN_S)
                assert seen.error is not None
                assert seen.error["code"] == 401
            assert not asked[1].done()
            for each in asked:
                each.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
            stage.simulator.script("m", ["tokens=3"])
            assert (await chat(stage, here)).status == 200

    run(scene)


def test_removed_from_a_workspace() -> None:
    """Who is removed is signed out; who leaves keeps the session in which they do it."""

    async def scene() -> None:
        async with staged(offer()) as stage:
            house = stage.house
            ada, bob = await stage.new_user("ada", Role.MEMBER), await stage.new_user("bob", Role.MEMBER)
            await stage.new_user("eve", Role.OWNER)
            for user in (ada, bob):
                await stage.signed_in(user)
                await stage.signed_in(user)
            assert await house.members.remove(OPERATOR, "home", RemoveMembers((ada.id,)), 1) == 1
            assert await sessions_of(stage, ada) == 0
            [session, _] = await house.people.sessions.list(bob.id)
            leaving = Actor(bob.email, {"home": Role.MEMBER}, user=bob, session=session)
            assert await house.members.remove(leaving, "home", RemoveMembers((bob.id,)), 1) == 1
            assert [each.id for each in await house.people.sessions.list(bob.id)] == [session.id]

    run(scene)
