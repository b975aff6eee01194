"""Webhooks of alerts: no URL that a user gives leads to this machine or its network, by itself or by a redirect."""

import asyncio

import pytest

from tests.gateway.clients import run
from tests.ssrf.corpus import corpus
from tests.ssrf.test_canaries import Canaries, names
from tollway.upstream import fetch
from tollway.upstream.webhooks import HookFailed, Webhooks

AT_ONCE = 16


def test_no_webhook_leads_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every URL of the corpus is refused before anything is connected to; one that is allowed is asked."""

    async def scene() -> None:
        async with Canaries().listening() as canaries:
            monkeypatch.setattr(fetch, "_PORTS", (80, 443, canaries.port))
            hooks, turns = Webhooks(resolve=names), asyncio.Semaphore(AT_ONCE)

            async def tried(url: str) -> str:
                async with turns:
                    with pytest.raises(HookFailed) as refused:
                        await hooks.post(url, b"{}", id_="x", secret="whsec_x", now_s=1)
                return str(refused.value)

            said = await asyncio.gather(*map(tried, corpus(canaries.port)))
            assert canaries.hits == []
            assert not any("whsec_x" in each for each in said)
            await hooks.close()
            allowed = Webhooks(("127.0.0.0/8",), resolve=names)
            with pytest.raises(HookFailed):
                await allowed.post(f"http://inside.test:{canaries.port}/", b"{}", id_="x", secret="s", now_s=1)
            assert len(canaries.hits) >= 1
            await allowed.close()

    run(scene)
