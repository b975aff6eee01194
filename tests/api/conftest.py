"""Worlds that the tests of this folder share: one that is well, and one whose providers fail in every way."""

from collections.abc import Iterator

import pytest

from tests.support import World, offer, world
from tollway.domain.catalog import Operation
from tollway.domain.storefronts import Platform, PlatformModel
from tollway.routing.health import HealthBoard

PLAIN = (
    offer("test/embed", "embed", prompt="0.00000002", completion=None, operation=Operation.EMBEDDINGS),
    offer("test/rerank", "rerank", prompt=None, completion=None, price_request="0.002", operation=Operation.RERANK),
    offer("test/moderate", "moderate", prompt="0.00000001", completion=None, operation=Operation.MODERATION),
    offer("test/moderate-free", "moderate-free", free=True, operation=Operation.MODERATION),
)
"""Offers of everything but chat."""

WELL = (
    offer("test/model", at=("a",)),
    offer("openai/gpt-4o", at=("a", "b")),
    offer("openai/gpt-4", at=("a",)),
    offer("test/free", "m", free=True),
    offer("test/slow", "slow@latency_ms=400,tokens=3"),
    offer("test/waiting", "waiting@latency_ms=120,tokens=3"),
    offer("test/tools", "tools@answer=tools"),
    offer("test/two-tools", "tools@answer=tools,calls=2"),
    offer("test/reasoning", "thinking@reasoning=6,tokens=8"),
    offer("test/echo", "echo@answer=echo"),
    offer("test/refusal", "refuse@answer=refusal"),
    *PLAIN,
)
"""Offers that answer, each in its own way; the upstream name says how (simulator/behaviour.py)."""

FAILING = (
    offer("fail/400", "m@fail=400"),
    offer("fail/401", "m@fail=401"),
    offer("fail/429", "m@fail=429,hint=retry-after,hint_s=7"),
    offer("fail/500", "m@fail=500"),
    offer("fail/503", "m@fail=503"),
    offer("fail/stall", "m@fail=stall"),
    offer("fail/html", "m@fail=html"),
    offer("fail/reset", "m@fail=reset"),
    offer("fail/mid", "m@tokens_per_s=300,after=3,then=error_event"),
    offer("fail/cut", "m@tokens_per_s=300,after=3,then=truncate"),
    offer("fail/stall-mid", "m@tokens_per_s=300,after=3,then=stall"),
    offer("test/model"),
)
"""Offers that do not: before the answer, or inside it."""


@pytest.fixture(scope="module")
def well() -> Iterator[World]:
    """Everything works. Shared by a file: what its tests change, they change for models and workspaces of their own."""
    platform = Platform((PlatformModel("test/model", credit_cost=3),))
    with world(*WELL, settings={"platform": platform}) as it:
        yield it


@pytest.fixture(scope="session")
def failing_world() -> Iterator[World]:
    """Nothing works, and patience is short."""
    with world(*FAILING, provider={"first_event_s": 0.4, "idle_s": 0.4, "whole_s": 0.4}) as it:
        yield it


@pytest.fixture
def failing(failing_world: World) -> World:
    """That world as it was at first: what failed in an earlier test is not held against it."""
    gateway = failing_world.house.gateway
    gateway.health = HealthBoard()
    gateway.refusals.clear()
    gateway.alarms.clear()
    return failing_world
