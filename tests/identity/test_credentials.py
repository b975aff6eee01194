"""BYOK secrets at rest: they open where they belong and nowhere else, and only with the ring that closed them."""

import asyncio
import base64
import stat
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from tollway.app import open_database
from tollway.config import Config, Storage
from tollway.domain.byok import ByokSettings, Credential, Sealed
from tollway.identity.credentials import (
    KeyRing,
    Place,
    Rotation,
    Unreadable,
    new_key,
    open_ring,
    place_of,
    read_keys,
    rotate,
)
from tollway.storage.byok import delete_credential, find_credential, new_credential
from tollway.storage.database import StorageError
from tollway.storage.keys import create_workspace
from tollway.storage.sqlite import SqliteDatabase

SECRET = "sk-canary-0123456789"
PLACES = st.tuples(st.text(max_size=8), st.text(max_size=8), st.text(max_size=8), st.integers(1, 9))


@given(secret=st.text(max_size=200), place=PLACES, other=PLACES)
def test_a_secret_opens_at_its_place_alone(secret: str, place: Place, other: Place) -> None:
    ring = KeyRing((new_key(),))
    sealed = ring.seal(secret, place)
    assert ring.open(sealed, place) == secret
    if other != place:
        with pytest.raises(Unreadable):
            ring.open(sealed, other)


@given(at=st.integers(0, 10_000), bit=st.integers(0, 7), wrap=st.booleans())
def test_a_changed_secret_opens_nothing(at: int, bit: int, wrap: bool) -> None:
    """Any bit of the ciphertext or of the wrapped key; and a wrap or a text from another secret of the same place."""
    ring, place = KeyRing((new_key(),)), ("home", "openai", "1", 1)
    sealed, other = ring.seal(SECRET, place), ring.seal(SECRET, place)
    data = bytearray(sealed.data_key if wrap else sealed.data)
    data[at % len(data)] ^= 1 << bit
    changed = structs.replace(sealed, **{"data_key" if wrap else "data": bytes(data)})
    for wrong in (changed, structs.replace(sealed, data_key=other.data_key), Sealed(sealed.ring_key, b"", b"")):
        with pytest.raises(Unreadable):
            ring.open(wrong, place)


def test_nothing_shows_a_secret() -> None:
    ring = KeyRing((key := new_key(),))
    sealed = ring.seal(SECRET, ("home", "openai", "1", 1))
    settings = ByokSettings(ring=(base64.b64encode(key).decode(),))
    for shown in (repr(ring), repr(sealed), repr(settings)):
        assert SECRET not in shown
        assert base64.b64encode(key).decode() not in shown
    assert SECRET.encode() not in sealed.data + sealed.data_key


def test_the_ring_and_its_rotation(tmp_path: Path) -> None:
    """Made at the first start, mode 0400. Rotated, every secret opens with the new key alone; wiped ones stay wiped."""

    async def test(config: Config, database: SqliteDatabase) -> None:
        ring = await open_ring(config, database)
        file = tmp_path / "byok_ring"
        assert stat.S_IMODE(file.stat().st_mode) == 0o400
        first = file.read_text()
        await create_workspace(database, "home", "home", 1)
        made = [credential(ring, str(number)) for number in range(3)]
        await database.write(*(new_credential(each) for each in made))
        await database.write(delete_credential("2", 5))
        assert await rotate(config, database, ring) == Rotation(2)
        assert file.read_text().endswith(first)
        assert await rotate(config, database, ring, drop=True) == Rotation(2)
        (only,) = read_keys(file.read_text(), "")
        for each in made[:2]:
            found = await find_credential(database, each.id)
            assert found is not None
            assert found.sealed.data == each.sealed.data
            assert KeyRing((only,)).open(found.sealed, place_of(found)) == SECRET
            assert ring.open(each.sealed, place_of(each)) == SECRET, "a request under way holds the old wrap"
        assert await find_credential(database, "2") is None

    in_place(tmp_path, test)


def test_a_ring_that_is_lost(tmp_path: Path) -> None:
    """The server does not start, and says what to do; nor does another key, or a file that is none, take its place."""

    async def test(config: Config, database: SqliteDatabase) -> None:
        ring = await open_ring(config, database)
        await create_workspace(database, "home", "home", 1)
        await database.write(new_credential(credential(ring, "1")))
        file = tmp_path / "byok_ring"
        right = file.read_text()
        file.unlink()
        with pytest.raises(StorageError, match="restore it from a backup"):
            await open_ring(config, database)
        assert not file.exists()
        for wrong in (base64.b64encode(new_key()).decode(), "no base64!", "", base64.b64encode(b"short").decode()):
            file.unlink(missing_ok=True)
            file.write_text(wrong)
            with pytest.raises(StorageError, match="restore it from a backup"):
                await open_ring(config, database)
            configured = structs.replace(config, byok=ByokSettings(ring=(wrong or "x",)))
            with pytest.raises(StorageError, match="restore it from a backup"):
                await open_ring(configured, database)
        configured = structs.replace(config, byok=ByokSettings(ring=tuple(right.split())))
        assert (await open_ring(configured, database)).ids == ring.ids
        added = structs.replace(config, byok=ByokSettings(ring=(base64.b64encode(new_key()).decode(), right.strip())))
        both = await open_ring(added, database)
        assert await rotate(added, database, both) == Rotation(1)
        assert await rotate(added, database, both) == Rotation(0)

    in_place(tmp_path, test)


def credential(ring: KeyRing, id_: str) -> Credential:
    return Credential(id_, "home", "openai", "...", 1, 1, ring.seal(SECRET, ("home", "openai", id_, 1)))


def in_place(data: Path, test: Callable[[Config, SqliteDatabase], Coroutine[Any, Any, None]]) -> None:
    """Runs it over a database of its own."""

    async def inside() -> None:
        config = Config(storage=Storage(data_dir=str(data)))
        database = await open_database(config)
        try:
            await test(config, database)
        finally:
            await database.close()

    asyncio.run(inside())
