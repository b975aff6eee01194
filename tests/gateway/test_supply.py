"""Where the market comes from, when the database does not answer for a moment."""

import asyncio
from collections.abc import Awaitable

import pytest

from tollway.config import Config, ProviderConfig
from tollway.gateway import supply as supplying
from tollway.gateway.supply import Supply
from tollway.storage.database import StorageError


def test_own_servers_are_asked_again_after_the_database_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The job goes on: it used to end at the first failure, and a server's new models were never seen again."""
    asked: list[str] = []

    class Stubborn(Supply):
        async def list_server(self, provider: ProviderConfig) -> int:
            asked.append(provider.slug)
            if len(asked) == 1:
                raise StorageError("reading failed: disk I/O error")
            return 1

    reloaded = asyncio.Event()

    async def scene() -> None:
        config = Config(providers=(ProviderConfig(slug="own", base_url="http://127.0.0.1:9/v1"),))
        supply = Stubborn(config, None, None)  # type: ignore[arg-type]  # neither is reached

        async def reload() -> None:
            reloaded.set()

        job = asyncio.ensure_future(_list(supply, reload))
        done, _ = await asyncio.wait(
            {job, asyncio.ensure_future(reloaded.wait())}, timeout=5.0, return_when="FIRST_COMPLETED"
        )
        assert job not in done, job
        assert reloaded.is_set()
        job.cancel()
        await asyncio.gather(job, return_exceptions=True)

    monkeypatch.setattr(supplying, "LIST_EVERY_S", 0.01)
    asyncio.run(scene())
    assert asked[:2] == ["own", "own"]


async def _list(supply: Supply, reload: object) -> None:
    job: Awaitable[None] = supply.list_servers(reload)  # type: ignore[arg-type]  # what it returns is not looked at
    await job
