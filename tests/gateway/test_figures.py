"""Figures across restarts, with whole servers: what one has counted, the next one routes by."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.first_start import TOKENIZER
from tollway.app import running
from tollway.billing.ledger import DAY_MS
from tollway.config import Config, Server, Storage
from tollway.domain.health import Outcome
from tollway.gateway.figures import store_figures
from tollway.routing.health import HealthBoard
from tollway.routing.stats import Sample
from tollway.storage.database import StorageError
from tollway.storage.free_days import load_free_days, save_free_days

A, B = "a:test/model", "b:test/model"


def test_a_restart_keeps_the_figures(tmp_path: Path) -> None:
    """Stopped and started: rates, speeds and uptime as before; pauses are forgotten, and nobody was tried yet."""

    async def play() -> None:
        config = Config(server=Server(port=0), storage=Storage(data_dir=str(tmp_path)))
        async with running(config, tokenizer=TOKENIZER) as (house, _):
            board, now_s = house.gateway.health, house.now_s()
            for _ in range(6):
                board.observe(A, Outcome.UNREACHABLE, now_s)
            for _ in range(4):
                board.observe(A, Outcome.SUCCEEDED, now_s, sample=Sample(0.3, 80.0))
            before = board.measured(A, now_s)
        async with running(config, tokenizer=TOKENIZER) as (house, _):
            board, now_s = house.gateway.health, house.now_s()
            after = board.measured(A, now_s)
            assert (after.requests, after.error_rate, after.timed) == (9, 5 / 9, 4), "the sixth failure was a probe"
            assert (after.first_s, after.speed, after.uptime) == (before.first_s, before.speed, before.uptime)
            assert board.down(A, now_s) is None
            assert board.status(A, now_s) == ("untried", 0, 0)
            assert not board.changed

    asyncio.run(play())


def test_only_what_changed_is_saved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each endpoint once until it changes again; what the database refused is saved the next time."""
    saved: list[list[str]] = []
    full = True

    async def save(database: Any, rows: Any, now_ms: int) -> None:
        if full:
            raise StorageError("the disk is full")
        saved.append(sorted(id_ for id_, _ in rows))

    monkeypatch.setattr("tollway.gateway.figures.save_figures", save)

    async def play() -> None:
        nonlocal full
        config = Config(server=Server(port=0), storage=Storage(data_dir=str(tmp_path)))
        async with running(config, tokenizer=TOKENIZER) as (house, _):
            gateway = house.gateway
            gateway.health = HealthBoard()
            gateway.health.observe(A, Outcome.SUCCEEDED, house.now_s())
            gateway.health.observe(B, Outcome.SUCCEEDED, house.now_s())
            await store_figures(gateway, house.database)
            assert saved == []
            full = False
            await store_figures(gateway, house.database)
            gateway.health.paid(B, 10, 10, house.now_s())
            await store_figures(gateway, house.database)
            await store_figures(gateway, house.database)
            assert saved == [[A, B], [B]]

    asyncio.run(play())


def test_a_restart_keeps_the_days_free_requests(tmp_path: Path) -> None:
    """At stop, and each minute for who is killed: whoever had none left has none left. Another day begins anew."""

    async def play() -> None:
        config = Config(server=Server(port=0), storage=Storage(data_dir=str(tmp_path)))
        async with running(config, tokenizer=TOKENIZER) as (house, _):
            days, today = house.gateway.limiter.free_days, house.gateway.now_ms() // DAY_MS
            days.add("home", today, 49)
            await store_figures(house.gateway, house.database)
            assert await load_free_days(house.database, today) == {"home": 49}, (
                "a kill from here on loses none of these"
            )
            days.add("home", today, 1)
            days.add("away", today, 1)
        async with running(config, tokenizer=TOKENIZER) as (house, _):
            days = house.gateway.limiter.free_days
            assert (days.used("home", today), days.used("away", today)) == (50, 1)
            assert days.changed == set(), "there is nothing new to be saved"
            days.add("home", today + 1, 1)
            await store_figures(house.gateway, house.database)
            assert (days.used("home", today + 1), days.used("away", today + 1)) == (1, 0)
            assert await load_free_days(house.database, today + 1) == {"home": 1}

    asyncio.run(play())


def test_free_requests_that_could_not_be_saved_are_saved_later(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the database refused is tried again, with what has come to it."""
    full = True

    async def save(database: Any, used: Any, day: int) -> None:
        if full:
            raise StorageError("the disk is full")
        await save_free_days(database, used, day)

    monkeypatch.setattr("tollway.gateway.figures.save_free_days", save)

    async def play() -> None:
        nonlocal full
        config = Config(server=Server(port=0), storage=Storage(data_dir=str(tmp_path)))
        async with running(config, tokenizer=TOKENIZER) as (house, _):
            days, today = house.gateway.limiter.free_days, house.gateway.now_ms() // DAY_MS
            days.add("home", today, 2)
            await store_figures(house.gateway, house.database)
            days.add("home", today, 1)
            full = False
            await store_figures(house.gateway, house.database)
            assert await load_free_days(house.database, today) == {"home": 3}

    asyncio.run(play())
