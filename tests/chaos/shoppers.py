"""People who buy and redeem credits while the server is killed: each payment and code counts once, whatever was cut."""

import asyncio
import json
import random
import time
from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

import msgspec

from tests.chaos.server import WORKSPACE, ServerProcess
from tests.gateway.clients import Seen, send
from tests.gateway.oracle import USD
from tests.payments.fake_stripe import KEY, SECRET, FakeStripe, signed
from tollway.api.browser import csrf_token
from tollway.api.house import House
from tollway.app import open_database
from tollway.domain.people import Member, Role, User
from tollway.identity.sessions import Sessions
from tollway.storage.database import Database
from tollway.storage.files import load_secret, read_control
from tollway.storage.members import set_member
from tollway.storage.users import new_user

CODES = 4
"""Made in each cycle; each is tried twice at once, and a user may try ten in a server's life."""


def settings(fake: FakeStripe) -> str:
    """Lines of tollway.toml for a server that sells by this stand-in."""
    keys = {"stripe_key": KEY, "stripe_webhook_secret": SECRET, "stripe_url": fake.url}
    return "\n[payments]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in keys.items())


class Shoppers:
    """`counts` is what became of purchases and codes."""

    def __init__(self, server: ServerProcess, fake: FakeStripe, dice: random.Random) -> None:
        self._server = server
        self._fake = fake
        self._dice = dice
        self.counts: Counter[str] = Counter()
        self._paid: dict[str, tuple[int, dict[str, Any]]] = {}
        """Order -> its credits, and the event that tells it: what Stripe goes on telling until it is heard."""
        self._heard: set[str] = set()
        self._codes: dict[str, bool] = {}
        """Code -> whether its redemption was answered."""
        self._cookie: dict[str, str] = {}
        self._wrong: list[str] = []

    async def endow(self) -> None:
        """An owner of the workspace who is signed in, before the first start."""
        database = await open_database(self._server.config)
        try:
            pepper = load_secret(self._server.data_dir, None, has_keys=True)
            user = User("shopper", "shopper@example.com", "Shopper", 0, email_verified=True)
            await database.write(new_user(user, None), set_member(Member(WORKSPACE, user.id, Role.OWNER, 0)))
            now_ms = int(time.time() * 1000)
            token = await Sessions(database, pepper).start(user, now_ms, address=None, user_agent=None)
            csrf = csrf_token(cast(House, SimpleNamespace(pepper=pepper)), token)
            self._cookie = {"cookie": f"tollway={token}", "x-csrf-token": csrf, "sec-fetch-site": "same-origin"}
        finally:
            await database.close()

    def begin(self) -> list[asyncio.Task[None]]:
        """Two who buy, one who redeems, until nobody answers."""
        return [asyncio.create_task(each) for each in (self._buy_on(), self._buy_on(), self._redeem_on())]

    async def judge(self, reader: Database) -> None:
        """After a restart: what Stripe has not been heard about it tells again, twice; then each is there once."""
        assert not self._wrong, self._wrong
        for order_id, (_, event) in self._paid.items():
            if order_id not in self._heard:
                for _ in range(2):
                    seen = await self._tell(event)
                    while seen.status == 503:  # Stripe itself, which is this loaded machine, did not answer in time
                        self.counts["told to come again"] += 1
                        seen = await self._tell(event)
                    assert seen.status == 200, seen.raw
                self._heard.add(order_id)
                self.counts["told after a kill"] += 1
        topups: dict[str, int] = dict(await reader.read("SELECT ref, amount FROM transfers WHERE kind = 'topup'"))
        assert topups == {order_id: credits_ for order_id, (credits_, _) in self._paid.items()}
        self.counts["bought"] = len(topups)
        [[redeemed]] = await reader.read("SELECT COUNT(*) FROM redemptions")
        [[granted]] = await reader.read("SELECT COUNT(*) FROM transfers WHERE kind = 'grant' AND ref LIKE 'code %'")
        [[used]] = await reader.read("SELECT COALESCE(SUM(uses), 0) FROM codes")
        [[noted]] = await reader.read("SELECT COUNT(*) FROM audit_log WHERE action = 'code.redeemed'")
        assert redeemed == granted == used == noted
        assert sum(self._codes.values()) <= redeemed <= len(self._codes)
        self.counts["codes redeemed"] = redeemed

    async def _buy_on(self) -> None:
        while True:
            dollars = self._dice.randint(5, 9)
            seen = await self._ask("/account/v1/purchases", {"amount": dollars})
            if seen.status != 201 or not seen.ended:
                self._expect(seen, 201)
                continue
            order = seen.json["data"]
            [session] = [id_ for id_, each in self._fake.sessions.items() if each["client_reference_id"] == order["id"]]
            event = self._fake.pay(session)
            self._paid[order["id"]] = dollars * USD, event
            told = await asyncio.gather(self._tell(event), self._tell(event))
            for each in told:
                self._expect(each, 200)
            if any(each.ended and each.status == 200 for each in told):
                self._heard.add(order["id"])

    async def _redeem_on(self) -> None:
        control = read_control(self._server.data_dir)
        assert control is not None
        made = await self._ask(
            "/control/v1/codes", {"amount": "0.25", "count": CODES}, authorization=f"Bearer {control.token}"
        )
        if made.status != 200 or not made.ended:
            return self._expect(made, 200)
        for each in made.json["codes"]:
            code = each["code"]
            self._codes[code] = False
            answers = await asyncio.gather(*(self._ask("/account/v1/codes/redeem", {"code": code}) for _ in range(2)))
            done = sum(answer.ended and answer.status == 200 for answer in answers)
            self._codes[code] = done > 0
            if done > 1:
                self._wrong.append(f"{code} was redeemed twice")
        return None

    async def _tell(self, event: dict[str, Any]) -> Seen:
        body = msgspec.json.encode(event)
        return await send(self._server.port, _request("/webhooks/stripe", body, signed(body)))

    async def _ask(self, path: str, body: dict[str, Any], **headers: str) -> Seen:
        data = msgspec.json.encode(body)
        named = {"content-type": "application/json", **(headers or self._cookie)}
        return await send(self._server.port, _request(path, data, named))

    def _expect(self, seen: Seen, status: int) -> None:
        """An answer that came whole is the one that was expected, or says to come again; the others were cut."""
        if seen.ended and seen.status == 503:
            self.counts["told to come again"] += 1
        elif seen.ended and seen.status != status:
            self._wrong.append(seen.raw[-300:].decode(errors="replace"))


def _request(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    named = {"host": "test", "connection": "close", "content-length": str(len(body)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body
