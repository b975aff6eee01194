"""Coinbase Business against a stand-in for its API: signed requests, true signatures of events, the seed's shape."""

import asyncio
import base64
import hmac
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.api.browsing import Browser
from tests.support import Answer, World, request, world
from tollway.billing.settings import Payments
from tollway.domain.payments import Paid
from tollway.domain.people import Role
from tollway.payments.coinbase import Coinbase
from tollway.upstream.client import UpstreamClient

SECRET, KEY_ID = "whsec_coinbase", "key-1"
PRIVATE = Ed25519PrivateKey.generate()
RAW = serialization.Encoding.Raw
KEY = base64.b64encode(
    PRIVATE.private_bytes(RAW, serialization.PrivateFormat.Raw, serialization.NoEncryption())
    + PRIVATE.public_key().public_bytes(RAW, serialization.PublicFormat.Raw)
).decode()
SENDER = "0x9a85CB3bfd494Ea3a8C9E50aA6a3c1a7E8BACE11"


class FakeCoinbase(ThreadingHTTPServer):
    """Makes checkouts for who signs; each is ACTIVE until `complete`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.checkouts: dict[str, dict[str, Any]] = {}
        self.url = f"http://127.0.0.1:{self.server_port}"

    def complete(self, id_: str) -> dict[str, Any]:
        self.checkouts[id_]["status"] = "COMPLETED"
        return self.checkouts[id_] | {"eventType": "checkout.payment.success"}


class Handler(BaseHTTPRequestHandler):
    server: FakeCoinbase

    def _claims(self) -> dict[str, Any]:
        """Of the token, whose signature must be the key's."""
        head, claims, mac = self.headers["authorization"].removeprefix("Bearer ").split(".")
        PRIVATE.public_key().verify(base64.urlsafe_b64decode(mac + "=="), f"{head}.{claims}".encode())
        assert json.loads(base64.urlsafe_b64decode(head + "=="))["kid"] == KEY_ID
        found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(claims + "=="))
        assert found["nbf"] <= time.time() <= found["exp"] <= found["nbf"] + 120
        return found

    def do_POST(self) -> None:
        host = f"127.0.0.1:{self.server.server_port}"
        assert self._claims()["uri"] == f"POST {host}{self.path}"
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        id_ = f"{len(self.server.checkouts) + 1:024x}"
        self.server.checkouts[id_] = {
            **asked, "id": id_, "status": "ACTIVE", "url": f"https://pay.test/{id_}", "address": "0x" + "7" * 40,
            "expiresAt": "2030-01-01T00:00:00Z",
        }  # fmt: skip
        self._answer(201, self.server.checkouts[id_])

    def do_GET(self) -> None:
        assert self._claims()["uri"].startswith("GET ")
        found = self.server.checkouts.get(self.path.rpartition("/")[2])
        self._answer(200 if found else 404, found or {})

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@contextmanager
def fake_coinbase() -> Iterator[FakeCoinbase]:
    fake = FakeCoinbase()
    thread = Thread(target=fake.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield fake
    finally:
        fake.shutdown()
        thread.join(5)
        fake.server_close()


@pytest.fixture(scope="module")
def selling() -> Iterator[tuple[World, FakeCoinbase]]:
    with fake_coinbase() as fake:
        settings = Payments(
            coinbase_key_id=KEY_ID, coinbase_key=KEY, coinbase_webhook_secret=SECRET, coinbase_url=fake.url,
            crypto_fee_percent="5",
        )  # fmt: skip
        with world(payments=settings) as place:
            yield place, fake


def tell(place: World, event: dict[str, Any], secret: str = SECRET, change: Callable[[bytes], bytes] = bytes) -> Answer:
    """An event with Coinbase's signature, which covers a header as well."""
    body = json.dumps(event).encode()
    now = int(time.time())
    signed = f"{now}.content-type.application/json.".encode() + body
    mac = hmac.new(secret.encode(), signed, sha256).hexdigest()
    headers = {"content-type": "application/json", "x-hook0-signature": f"t={now},h=content-type,v1={mac}"}
    return request(place.url, "POST", "/webhooks/coinbase", change(body), headers=headers)


def test_credits_for_crypto(selling: tuple[World, FakeCoinbase]) -> None:
    """The seed's request gets the seed's shape; paid and told, it is credited once, less nothing, plus its fee."""
    place, fake = selling
    key = place.new_key("crypto")
    body = {"amount": 10, "sender": SENDER, "chain_id": 8453}
    made = request(place.url, "POST", "/api/v1/credits/coinbase", body, headers=key.headers)
    assert made.status == 200, made.text
    data = made.json["data"]
    intent = data["web3_data"]["transfer_intent"]
    assert intent["metadata"]["chain_id"] == 8453
    assert intent["metadata"]["sender"] == SENDER
    assert intent["call_data"]["recipient_amount"] == "10500000"
    assert data["expires_at"].startswith("2030-01-01")
    [id_] = fake.checkouts
    early = fake.checkouts[id_] | {"eventType": "checkout.payment.success"}
    assert tell(place, early | {"id": "0" * 24}).status == 503  # it can't be confirmed: not there
    event = fake.complete(id_)
    assert tell(place, event, "another").status == 401
    assert tell(place, event, "").status == 401
    assert tell(place, event, change=lambda text: text.replace(b"10.50", b"99.50")).status == 401
    for outcome in ("done", "known", "known"):
        assert tell(place, event).json == {"outcome": outcome}
    found = request(place.url, "GET", "/api/v1/credits", headers=key.headers).json["data"]
    assert found == {"total_credits": 10, "total_usage": 0}


def test_the_page_sells_for_crypto(selling: tuple[World, FakeCoinbase]) -> None:
    """With Coinbase alone there is one button, which leads to its checkout; paid, the credits are there."""
    place, fake = selling
    browser, headers = Browser(place), place.signed_in(place.new_user("crypto-page", Role.OWNER, "crypto-page"))
    browser.cookie = headers["cookie"]
    page = browser.get("/credits")
    assert "sells no credits" not in page.text
    assert "Keep the method of payment" not in page.text
    known = set(fake.checkouts)
    wrong = browser.submit(page, "/credits/buy", amount="10", pack="", crypto="")
    assert (wrong.status, "paid like that" in wrong.text) == (404, True)
    done = browser.submit(page, "/credits/buy", amount="10", pack="", crypto="yes", save_method="yes")
    assert done.status == 303, done.text
    [id_] = set(fake.checkouts) - known
    assert fake.checkouts[id_]["amount"] == "10.50", "with its fee"
    assert fake.checkouts[id_]["url"] in browser.get(done.headers["location"]).text
    assert tell(place, fake.complete(id_)).json == {"outcome": "done"}
    page = browser.get("/credits")
    assert "$10.00 to be used" in page.text
    assert "Give back what is unused" not in page.text
    both = {"amount": 10, "crypto": True, "save_method": True, "workspace_id": "crypto-page"}
    refused = request(place.url, "POST", "/account/v1/purchases", both, headers=headers)
    assert (refused.status, "save_method" in refused.text) == (400, True)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"amount": 10, "sender": "sender", "chain_id": 8453}, "sender"),
        ({"amount": 10, "sender": SENDER, "chain_id": 2}, "chain_id"),
        ({"amount": 10, "sender": SENDER, "chain_id": 1}, "Base"),
        ({"amount": 10, "sender": SENDER, "chain_id": 137}, "Base"),
        ({"amount": 1, "sender": SENDER, "chain_id": 8453}, "amount"),
        ({}, "amount"),
    ],
)
def test_bad_charges(selling: tuple[World, FakeCoinbase], body: dict[str, Any], param: str) -> None:
    """A 400 that names the field."""
    place, fake = selling
    before = len(fake.checkouts)
    answer = place.request("POST", "/api/v1/credits/coinbase", body)
    assert answer.status == 400
    assert param in answer.error["message"]
    assert len(fake.checkouts) == before


def test_an_unfinished_checkout_is_not_confirmed() -> None:
    """An event is asked back: a checkout that is not completed, or another order's, confirms nothing."""

    async def run() -> None:
        with fake_coinbase() as fake:
            client = UpstreamClient()
            provider = Coinbase(client, KEY_ID, KEY, (SECRET,), fake.url, time.time)
            fake.checkouts["c1"] = {
                "id": "c1",
                "status": "ACTIVE",
                "amount": "10.00",
                "currency": "USDC",
                "metadata": {"tollway_order": "o"},
            }
            assert (await provider.confirm(Paid("e", "o", "c1", 1000, "usd"))).amount_cents == 0
            fake.complete("c1")
            assert (await provider.confirm(Paid("e", "o", "c1", 1000, "usd"))).amount_cents == 1000
            assert (await provider.confirm(Paid("e", "another", "c1", 1000, "usd"))).amount_cents == 0
            await client.close()

    asyncio.run(run())
