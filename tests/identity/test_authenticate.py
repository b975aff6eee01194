"""Authentication: who gets in, what a refusal says, how often the store is asked, and what its failure means."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec import structs

from tollway.domain.errors import Forbidden, TollwayError, Unauthenticated, Unavailable
from tollway.domain.identity import Key, KeyKind
from tollway.identity import authenticate
from tollway.identity.authenticate import INVALID, Authenticator
from tollway.identity.keys import PREFIXES, digest_of, issue_key, new_secret
from tollway.storage.database import NewRows, Row, Statement, StorageError
from tollway.storage.keys import new_key

PEPPER = b"pepper"


class Store:
    """A database that knows keys, answers when it is let, fails when it is told to, and counts."""

    def __init__(self) -> None:
        self.keys: dict[str, Key] = {}
        self.reads = 0
        self.fails = False
        self.gate: asyncio.Event | None = None
        self.settings: str | None = None

    async def read(self, sql: str, /, **parameters: Any) -> list[Row]:
        assert "digest" in parameters, "a workspace without guardrails and keys of its own costs one read"
        self.reads += 1
        key = self.keys.get(parameters["digest"])
        if self.gate is not None:
            await self.gate.wait()
        if self.fails:
            raise StorageError("the disk is gone")
        if key is None:
            return []
        [row] = new_key(key).rows
        return [(*row.values(), self.settings, 0, None, 0, 0, None)]

    async def write(self, *statements: Statement | NewRows) -> list[list[Row]]:
        raise AssertionError("authentication writes nothing")

    async def close(self) -> None:
        """Nothing is open."""


class Door:
    """An authenticator over a store."""

    def __init__(self) -> None:
        self.store = Store()
        self.authenticator = Authenticator(self.store, PEPPER)

    def issue(self, **fields: Any) -> str:
        """A key in the store; its secret."""
        changes = {name: fields.pop(name) for name in ("disabled",) if name in fields}
        key, secret = issue_key(workspace_id="w", name="n", pepper=PEPPER, now_ms=0, **fields)
        self.store.keys[key.digest.hex()] = structs.replace(key, **changes)
        return secret

    def key(self, secret: str) -> Key:
        """What the store holds for a secret."""
        return self.store.keys[digest_of(secret, PEPPER).hex()]

    def change(self, secret: str, **fields: Any) -> None:
        """What an administrator does: a change in the store, then word to the authenticator."""
        key = structs.replace(self.key(secret), **fields)
        self.store.keys[key.digest.hex()] = key
        self.authenticator.forget(key.digest)

    async def knock(self, headers: dict[str, str], *, inference: bool = False) -> Key:
        """A request with these headers."""
        ask = self.authenticator.authenticate_inference if inference else self.authenticator.authenticate
        return (await ask(lambda name: headers.get(name.decode()))).key

    async def refused(self, headers: dict[str, str]) -> TollwayError:
        """The error of a request with these headers."""
        with pytest.raises(TollwayError) as caught:
            await self.knock(headers)
        return caught.value


def bearer(secret: str) -> dict[str, str]:
    """The usual way to carry a key."""
    return {"authorization": f"Bearer {secret}"}


def run(test: Callable[[Door], Awaitable[None]]) -> None:
    """A test with a door of its own."""

    async def inside() -> None:
        await test(Door())

    asyncio.run(inside())


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("authorization", "Bearer {}"),
        ("authorization", "bearer {}"),
        ("authorization", "BEARER  {} "),
        ("x-api-key", "{}"),
        ("x-api-key", " {} "),
    ],
)
def test_carriers(prefix: str, header: str, value: str) -> None:
    """Every prefix, in Authorization whatever its case, or in x-api-key."""

    async def test(door: Door) -> None:
        secret = door.issue(prefix=prefix)
        assert await door.knock({header: value.format(secret)}) == door.key(secret)

    run(test)


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer "},
        {"authorization": "{secret}"},
        {"authorization": "Basic {secret}"},
        {"authorization": "Bearer Bearer {secret}"},
        {"authorization": "Bearer {secret}x"},
        {"authorization": "Bearer {digest}"},
        {"authorization": "Bearer {id}"},
        {"authorization": "Bearer {label}"},
        {"authorization": "Bearer {other}"},
        {"authorization": "Bearer \u00e9\u4e2d"},
        {"authorization": "Bearer x", "x-api-key": "{secret}"},
        {"x-api-key": ""},
        {"x-api-key": "{digest}"},
        {"x-api-key": "{id}"},
        {"cookie": "key={secret}"},
        {},
    ],
)
def test_refusals_say_nothing(headers: dict[str, str]) -> None:
    """A digest or an id is no credential, nor is one of another carrier; a 401 does not say what was wrong."""

    async def test(door: Door) -> None:
        secret = door.issue()
        key = door.key(secret)
        facts = {"secret": secret, "digest": key.digest.hex(), "id": key.id, "label": key.label, "other": new_secret()}
        for _ in range(2):  # also when the key itself is in memory
            error = await door.refused({name: value.format(**facts) for name, value in headers.items()})
            assert isinstance(error, Unauthenticated)
            carried = "authorization" in headers or "x-api-key" in headers
            assert error.message == (INVALID if carried else "No API key: send it as `Authorization: Bearer <key>`")
            await door.knock(bearer(secret))

    run(test)


def test_an_authorization_that_is_refused_is_not_looked_up() -> None:
    """What is not one of ours by its checksum costs no look-up (FAULTS.md C-14)."""

    async def test(door: Door) -> None:
        for text in ("sk-or-v1-x", "sk-" + "a" * 49, "0" * 64, "x" * 30_000):
            await door.refused(bearer(text))
        assert door.store.reads == 0

    run(test)


def test_disabled_and_expired() -> None:
    """Both are 401, like a key that never was; expiry counts at each request, also for a key in memory."""

    async def test(door: Door) -> None:
        now_ms = int(time.time() * 1000)
        past, soon = door.issue(expires_ms=now_ms - 1), door.issue(expires_ms=now_ms + 300)
        for secret in (past, door.issue(disabled=True)):
            assert (await door.refused(bearer(secret))).message == INVALID
        await door.knock(bearer(soon))
        await asyncio.sleep(0.35)
        assert (await door.refused(bearer(soon))).message == INVALID

    run(test)


def test_a_revoked_key_is_out_at_once() -> None:
    """With the change, the next request is refused; and one that is enabled again is in at once."""

    async def test(door: Door) -> None:
        secret = door.issue()
        for _ in range(3):
            await door.knock(bearer(secret))
            door.change(secret, disabled=True)
            await door.refused(bearer(secret))
            door.change(secret, disabled=False)
        assert (await door.knock(bearer(secret))).disabled is False

    run(test)


@pytest.mark.parametrize("asked_again", [False, True])
def test_a_key_revoked_during_its_look_up_is_not_kept(asked_again: bool) -> None:
    """A look-up that read the row before the change does not bring the old key into memory, nor is it joined."""

    async def test(door: Door) -> None:
        secret = door.issue()
        door.store.gate = asyncio.Event()
        before = asyncio.create_task(door.knock(bearer(secret)))
        await asyncio.sleep(0)
        door.change(secret, disabled=True)
        after = [asyncio.create_task(door.refused(bearer(secret))) for _ in range(asked_again)]
        await asyncio.sleep(0)
        door.store.gate.set()
        assert (await before).disabled is False  # it was asked before the change
        assert [type(error) for error in await asyncio.gather(*after)] == [Unauthenticated] * asked_again
        assert isinstance(await door.refused(bearer(secret)), Unauthenticated)

    run(test)


def test_a_hundred_first_uses_are_one_look_up() -> None:
    """Whoever comes while a key is looked up waits for that answer; afterwards memory answers."""

    async def test(door: Door) -> None:
        secret = door.issue()
        door.store.gate = asyncio.Event()
        tasks = [asyncio.create_task(door.knock(bearer(secret))) for _ in range(100)]
        await asyncio.sleep(0.01)
        door.store.gate.set()
        assert {key.id for key in await asyncio.gather(*tasks)} == {door.key(secret).id}
        await door.knock(bearer(secret))
        assert door.store.reads == door.authenticator.lookups == 1

    run(test)


def test_unknown_keys_are_remembered_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """A well-formed key that is not ours is looked up once in ten seconds, however often it is tried."""

    async def test(door: Door) -> None:
        secret = new_secret()
        for _ in range(50):
            await door.refused(bearer(secret))
        assert door.store.reads == 1
        later_s = time.monotonic() + authenticate.UNKNOWN_S + 1
        monkeypatch.setattr(time, "monotonic", lambda: later_s)
        await door.refused(bearer(secret))
        assert door.store.reads == 2

    run(test)


def test_a_key_made_after_it_was_tried_works_at_once() -> None:
    """`forget` ends the memory of what was not there."""

    async def test(door: Door) -> None:
        secret = door.issue()
        key = door.store.keys.pop(digest_of(secret, PEPPER).hex())
        await door.refused(bearer(secret))
        door.store.keys[key.digest.hex()] = key
        door.authenticator.forget(key.digest)
        assert await door.knock(bearer(secret)) == key

    run(test)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both memories drop their oldest entry when they are full; what was dropped is read again."""
    monkeypatch.setattr(authenticate, "CACHED_MAX", 3)

    async def test(door: Door) -> None:
        secrets = [door.issue() for _ in range(5)]
        for secret in secrets:
            await door.knock(bearer(secret))
        for _ in range(5):
            await door.refused(bearer(new_secret()))
        assert len(door.authenticator._known) == len(door.authenticator._shorts) == 3
        assert len(door.authenticator._unknown) == 3
        assert door.store.reads == 10
        await door.knock(bearer(secrets[-1]))
        assert door.store.reads == 10
        await door.knock(bearer(secrets[0]))
        assert door.store.reads == 11

    run(test)


def test_a_store_that_fails_is_never_a_401() -> None:
    """503 for everyone who waits on the look-up (FAULTS.md, finding 9); known keys go on; then all is as before."""

    async def test(door: Door) -> None:
        known, fresh = door.issue(), door.issue()
        await door.knock(bearer(known))
        door.store.fails, door.store.gate = True, asyncio.Event()
        tasks = [asyncio.create_task(door.refused(bearer(fresh))) for _ in range(10)]
        await asyncio.sleep(0.01)
        door.store.gate.set()
        for error in await asyncio.gather(*tasks):
            assert isinstance(error, Unavailable)
            assert error.retry_after_s
            assert "disk" not in error.message
        assert door.authenticator.lookups == 2
        await door.knock(bearer(known))
        door.store.fails = False
        await door.knock(bearer(fresh))

    run(test)


def test_a_caller_who_leaves_takes_nobody_along() -> None:
    """The first of several is cancelled in its look-up: the others are looked up, and get in."""

    async def test(door: Door) -> None:
        secret = door.issue()
        door.store.gate = asyncio.Event()
        first = asyncio.create_task(door.knock(bearer(secret)))
        await asyncio.sleep(0)
        others = [asyncio.create_task(door.knock(bearer(secret))) for _ in range(5)]
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        door.store.gate.set()
        assert {key.id for key in await asyncio.gather(*others)} == {door.key(secret).id}
        assert first.cancelled()
        assert door.authenticator.lookups == 2

    run(test)


def test_a_waiter_who_leaves_does_not_stop_the_look_up() -> None:
    """Someone who waits for another's look-up may be cancelled without ending it."""

    async def test(door: Door) -> None:
        secret = door.issue()
        door.store.gate = asyncio.Event()
        first = asyncio.create_task(door.knock(bearer(secret)))
        await asyncio.sleep(0)
        second = asyncio.create_task(door.knock(bearer(secret)))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.sleep(0)
        door.store.gate.set()
        assert await first == door.key(secret)
        assert door.authenticator.lookups == 1

    run(test)


def test_provisioning_keys_call_no_models() -> None:
    """They are known, and refused where models are called: 403, not 401."""

    async def test(door: Door) -> None:
        secret = door.issue(kind=KeyKind.PROVISIONING, prefix="sk-or-prov-v1-")
        await door.knock(bearer(secret))
        with pytest.raises(Forbidden, match="provisioning key"):
            await door.knock(bearer(secret), inference=True)
        await door.knock(bearer(door.issue()), inference=True)

    run(test)


@pytest.mark.parametrize(
    ("headers", "shown"),
    [
        ({"http-referer": "https://a.example", "x-title": "App"}, ("https://a.example", "App", None)),
        (
            {"referer": "https://b.example", "x-openrouter-title": "New", "x-title": "Old"},
            ("https://b.example", "New", None),
        ),
        ({"user-agent": "u" * 300}, (None, None, "u" * 256)),
        ({"x-title": "A\tp\x7fp\u200b", "user-agent": "\x1b[31m"}, (None, "App", "[31m")),
    ],
)
def test_who_the_caller_says_to_be(headers: dict[str, str], shown: tuple[str | None, ...]) -> None:
    """Attribution headers are kept printable and at most 256 characters long (FAULTS.md C-9)."""

    async def test(door: Door) -> None:
        carried = headers | bearer(door.issue())
        caller = await door.authenticator.authenticate(lambda name: carried.get(name.decode()))
        assert (caller.app_url, caller.app_title, caller.user_agent) == shown
        assert caller.workspace_id == "w"

    run(test)
