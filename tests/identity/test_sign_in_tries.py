"""Wrong passwords outlive the process: a restart gives whoever guesses no new tries, and tells nobody who tried."""

from pathlib import Path

import pytest
from argon2 import PasswordHasher

from tests.identity.test_people import NOW_MS, PASSWORD, Hall, inside
from tollway.domain.errors import RateLimited, Unauthenticated
from tollway.identity.passwords import Passwords
from tollway.identity.people import People

MINUTE_MS = 60_000
READ = "SELECT bucket, empty_ns FROM sign_in_tries"


def restarted(hall: Hall, pepper: bytes = b"pepper") -> People:
    """The people of a new process over the same database."""
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    return People(hall.database, pepper, hall.audit, grant=hall._grant, passwords=Passwords(cheap, pepper))


async def wrong(people: People, name: str, address: str | None = "1.2.3.4", now_ms: int = NOW_MS) -> None:
    with pytest.raises(Unauthenticated):
        await people.sign_in(f"{name}@example.com", "wrong", address=address, now_ms=now_ms)


def test_a_restart_gives_no_tries(tmp_path: Path) -> None:
    """Five wrong ones before it are five after it, for this user alone, until 15 minutes are over."""

    async def test(hall: Hall) -> None:
        await hall.people.sign_up("ada@example.com", PASSWORD, "", NOW_MS)
        before = restarted(hall)
        for _ in range(3):
            await wrong(before, "ada")
        between = restarted(hall)
        for _ in range(2):
            await wrong(between, "ada")
        after = restarted(hall)
        with pytest.raises(RateLimited):
            await after.sign_in("Ada@example.com", PASSWORD, address=None, now_ms=NOW_MS)
        await wrong(after, "other")
        later = restarted(hall)
        found = await later.sign_in("ada@example.com", PASSWORD, address=None, now_ms=NOW_MS + 15 * MINUTE_MS)
        assert found.email == "ada@example.com"

    inside(test, tmp_path)


def test_an_address_is_counted_on(tmp_path: Path) -> None:
    """Fifty from one address, with a restart after each tenth, are fifty."""

    async def test(hall: Hall) -> None:
        for start in range(5):
            people = restarted(hall)
            for number in range(10):
                await wrong(people, f"user-{start}-{number}")
        after = restarted(hall)
        with pytest.raises(RateLimited):
            await after.sign_in("one-more@example.com", "wrong", address="1.2.3.4", now_ms=NOW_MS)
        await wrong(after, "one-more", "1.2.3.5")

    inside(test, tmp_path)


def test_what_is_kept(tmp_path: Path) -> None:
    """Digests under the server's secret, nothing of who is let in, and nothing longer than it counts."""

    async def test(hall: Hall) -> None:
        people = restarted(hall)
        await hall.people.sign_up("ada@example.com", PASSWORD, "", NOW_MS)
        await people.sign_in("ada@example.com", PASSWORD, address="1.2.3.4", now_ms=NOW_MS)
        assert await hall.database.read(READ) == []
        await wrong(people, "ada")
        kept = await hall.database.read(READ)
        assert len(kept) == 2
        assert all(len(bucket) == 64 and at > NOW_MS * 1_000_000 for bucket, at in kept)
        await wrong(restarted(hall, b"another"), "ada")
        assert len(await hall.database.read(READ)) == 4
        await wrong(people, "other", None, NOW_MS + 120 * MINUTE_MS)
        assert len(await hall.database.read(READ)) == 1

    inside(test, tmp_path)
