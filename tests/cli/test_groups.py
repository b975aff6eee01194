"""`tollway groups`: with a server, whose next request is priced so, and without one."""

from typing import Any

import pytest

from tests.cli.desk import Desk, run
from tests.cli.test_explain import OWN, both
from tests.cli.test_operator import make_key
from tollway.cli import groups
from tollway.domain.errors import TollwayError


@both
def test_a_group_s_life(desk: Desk, served: bool) -> None:
    """Made, filled, listed, emptied and removed; a running server obeys at once."""
    desk.configure(OWN.format(slug="one", completion="0.000002"))
    desk.configure('[[billing.groups]]\nname = "partners"\nmultiplier = "1.5"\nworkspaces = ["acme"]')

    async def scene() -> None:
        async with desk.served(served) as house:

            def multipliers() -> list[str]:
                assert house is not None
                market = house.gateway.market_of("default")
                found = [stall.price.tariff for offer in market.offers.values() for stall in offer.stalls]
                return [each.multiplier for each in found if each is not None and each.multiplier is not None]

            await make_key(desk)
            key = desk.json()["id"]
            await groups.set_group(desk.file, "half", "0.5", as_json=True)
            assert desk.json() == {"name": "half", "multiplier": "0.5"}
            for word in ("half", "none", "half"):
                await groups.move(desk.file, word, workspace="default", key=None, user=None, as_json=False)
                assert ("no group" in desk.said()) is (word == "none")
                if served:
                    assert set(multipliers()) == (set() if word == "none" else {"0.5"})
            await groups.move(desk.file, "half", workspace=None, key=key, user=None, as_json=True)
            assert desk.json() == {"group": "half", "workspace": None, "key": key, "user": None}
            await groups.show_all(desk.file, as_json=True)
            half: Any = {"name": "half", "multiplier": "0.5", "workspaces": ["default"], "keys": [key]}
            partners: Any = {"name": "partners", "multiplier": "1.5", "workspaces": ["acme"], "keys": []}
            assert desk.json() == [half | {"from_file": False}, partners | {"from_file": True}]
            await groups.show_all(desk.file, as_json=False)
            assert f"half 0.5 default {key[:12]} here" in desk.said()
            for wrong in ("0", "x"):
                with pytest.raises(TollwayError, match="multiplier"):
                    await groups.set_group(desk.file, "half", wrong, as_json=True)
            for call in (
                groups.remove(desk.file, "absent", as_json=True),
                groups.move(desk.file, "absent", workspace="default", key=None, user=None, as_json=True),
                groups.move(desk.file, "half", workspace="absent", key=None, user=None, as_json=True),
            ):
                with pytest.raises(TollwayError, match="no such"):
                    await call
            with pytest.raises(TollwayError, match="Name one"):
                await groups.move(desk.file, "half", workspace=None, key=None, user=None, as_json=True)
            await groups.remove(desk.file, "half", as_json=False)
            assert "no group half" in desk.said()
            if served:
                assert multipliers() == []

    run(scene())
