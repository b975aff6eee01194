"""A stand-in for Stripe's API: Checkout, payment intents, refunds, idempotency keys; events with true signatures."""

import asyncio
import hmac
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl

KEY = "sk_test_4242"
SECRET = "whsec_of_the_tests"


def signed(body: bytes, secret: str = SECRET, at_s: float | None = None) -> dict[str, str]:
    """The headers of an event. Written after Stripe's documentation, and compared with its SDK in a test."""
    when = int(time.time() if at_s is None else at_s)
    mac = hmac.new(secret.encode(), f"{when}.".encode() + body, sha256).hexdigest()
    return {"stripe-signature": f"t={when},v1={mac}", "content-type": "application/json"}


class FakeStripe:
    """What it was asked is in `asked`; `answer_next` makes the next answers failures."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str], dict[str, str]]] = []
        self.sessions: dict[str, dict[str, Any]] = {}
        self.intents: dict[str, dict[str, Any]] = {}
        self.refunds: dict[str, dict[str, Any]] = {}
        self.answer_next: list[tuple[int, dict[str, Any]] | None] = []
        """Status and body; None: the connection breaks after the work is done."""
        self.stall: tuple[str, str] | None = None
        """"before" or "after" the work is done, and the method whose requests get no answer then."""
        self.stalled = asyncio.Event()
        self._repeated: dict[str, dict[str, Any]] = {}
        self._events = 0
        self.url = ""

    def pay(self, session_id: str) -> dict[str, Any]:
        """A customer pays on the page: the event that tells it, as its object."""
        session = self.sessions[session_id]
        intent = self._new_intent(session["amount_total"], session["currency"], session["metadata"], "succeeded")
        intent |= {"customer": f"cus_{session_id}", "payment_method": f"pm_{session_id}"}
        session |= {"payment_intent": intent["id"], "payment_status": "paid", "status": "complete"}
        return self.event("checkout.session.completed", session)

    def event(self, kind: str, about: dict[str, Any]) -> dict[str, Any]:
        self._events += 1
        return {"id": f"evt_{self._events}", "object": "event", "type": kind, "data": {"object": dict(about)}}

    def dispute(self, payment_id: str, amount: int | None = None, name: str = "du_1") -> dict[str, Any]:
        intent = self.intents[payment_id]
        about = {"id": name, "object": "dispute", "payment_intent": payment_id, "currency": intent["currency"]}
        return about | {"amount": intent["amount"] if amount is None else amount, "status": "needs_response"}

    def _new_intent(self, amount: int, currency: str, metadata: dict[str, str], status: str) -> dict[str, Any]:
        id_ = f"pi_{len(self.intents) + 1}"
        received = amount if status == "succeeded" else 0
        self.intents[id_] = {
            "id": id_, "object": "payment_intent", "amount": amount, "amount_received": received, "currency": currency,
            "status": status, "metadata": metadata, "customer": None, "payment_method": None,
        }  # fmt: skip
        return self.intents[id_]

    def _answer(self, method: str, path: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        metadata = {name[9:-1]: value for name, value in form.items() if name.startswith("metadata[")}
        if (method, path) == ("POST", "/v1/checkout/sessions"):
            id_ = f"cs_{len(self.sessions) + 1}"
            self.sessions[id_] = {
                "id": id_, "object": "checkout.session", "url": f"https://checkout.stripe.test/{id_}",
                "amount_total": int(form["line_items[0][price_data][unit_amount]"]), "expires_at": 2_000_000_000,
                "currency": form["line_items[0][price_data][currency]"], "metadata": metadata,
                "client_reference_id": form["client_reference_id"], "payment_status": "unpaid",
            }  # fmt: skip
            return 200, self.sessions[id_]
        if (method, path) == ("POST", "/v1/payment_intents"):
            intent = self._new_intent(int(form["amount"]), form["currency"], metadata, "succeeded")
            intent |= {"customer": form["customer"], "payment_method": form["payment_method"]}
            return 200, intent
        if method == "GET" and path.startswith("/v1/payment_intents/"):
            return 200, self.intents[path.rpartition("/")[2]]
        if (method, path) == ("POST", "/v1/refunds"):
            id_ = f"re_{len(self.refunds) + 1}"
            intent = self.intents[form["payment_intent"]]
            self.refunds[id_] = {
                "id": id_, "object": "refund", "amount": int(form["amount"]), "currency": intent["currency"],
                "payment_intent": intent["id"], "metadata": metadata, "status": "succeeded",
            }  # fmt: skip
            return 200, self.refunds[id_]
        return 404, {"error": {"type": "invalid_request_error", "message": f"no {method} {path}"}}

    async def _stall(self, moment: str, method: str) -> None:
        if self.stall == (moment, method):
            self.stalled.set()
            await asyncio.sleep(60)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().split("\r\n")
                method, path, _ = lines[0].split(" ")
                headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines[1:] if x)}
                form = dict(parse_qsl((await reader.readexactly(int(headers.get("content-length", 0)))).decode()))
                self.asked.append((method, path, form, headers))
                planned = self.answer_next.pop(0) if self.answer_next else ()
                once = headers.get("idempotency-key", "")
                await self._stall("before", method)
                if planned:
                    status, body = planned
                elif headers.get("authorization") != f"Bearer {KEY}":
                    status, body = 401, {"error": {"type": "invalid_request_error", "message": "Invalid API Key"}}
                elif once in self._repeated:
                    status, body = 200, self._repeated[once]
                else:
                    status, body = self._answer(method, path, form)
                    if once and status == 200:
                        self._repeated[once] = body
                await self._stall("after", method)
                if planned is None:
                    break
                data = json.dumps(body).encode()
                told = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
                writer.write(told.encode() + data)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def fake_stripe() -> AsyncIterator[FakeStripe]:
    """One that listens, inside the running loop."""
    fake = FakeStripe()
    server = await asyncio.start_server(fake._serve, "127.0.0.1", 0)
    fake.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield fake
    finally:
        server.close()
