"""Coinbase Business: checkouts in USDC on Base, by its API with a signed token for each request, and its events."""

import base64
import secrets
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from tollway.domain.errors import InvalidRequest
from tollway.domain.http import Deadlines, HttpRequest
from tollway.domain.payments import (
    AutoTopUp,
    Event,
    NotPaid,
    Order,
    Other,
    Paid,
    ProviderName,
)
from tollway.payments.base import Checkout, Confirmed, ProviderFailed
from tollway.payments.signatures import Header, check_coinbase
from tollway.upstream.client import UpstreamClient
from tollway.upstream.faults import UpstreamFault

if TYPE_CHECKING:
    from collections.abc import Callable

DEADLINES = Deadlines(first_event_s=30.0, idle_s=30.0, total_s=60.0)
TOKEN_S = 120
"""How long a token is good (docs.cdp.coinbase.com, "JWT Authentication")."""
PATH = "/api/v1/checkouts"
BASE_CHAIN = 8453
USDC_ON_BASE = "0x833589fcd6edb6e08f4c7c32d4f71b54bda02913"
USDC_DECIMALS = 6
ORDER = "tollway_order"


class Coinbase:
    """PaymentProvider. A payment's name is its checkout's: each is paid once."""

    name: ProviderName = "coinbase"

    def __init__(
        self,
        client: UpstreamClient,
        key_id: str,
        key_secret: str,
        webhook_secrets: tuple[str, ...],
        url: str,
        now_s: "Callable[[], float]",
    ) -> None:
        self._client = client
        self._key_id = key_id
        self._sign = _signer(key_secret)
        self._secrets = webhook_secrets
        self._url = url.rstrip("/")
        self._now_s = now_s

    async def checkout(self, order: Order, *, back_url: str) -> Checkout:
        wanted = {
            "amount": _decimal(order.price_cents),
            "currency": "USDC",
            "network": "base",
            "description": "Credits",
            "metadata": {ORDER: order.id},
        }
        if back_url.startswith("https://"):  # it takes no other
            wanted |= {"successRedirectUrl": back_url, "failRedirectUrl": back_url}
        made = await self._ask("POST", PATH, wanted, order.id)
        return Checkout(made.id, made.url, _ms(made.expires_at), made.address)

    async def charge(self, order: Order, method: AutoTopUp) -> Paid | None:
        raise ProviderFailed("Crypto can't be charged without its owner.", sure=True)

    async def confirm(self, paid: Paid) -> Confirmed:
        found = await self._ask("GET", f"{PATH}/{paid.payment_id}")
        if found.status != "COMPLETED" or found.metadata.get(ORDER) != paid.order_id:
            return Confirmed(0, "usd")
        return Confirmed(_cents(found.amount), _currency(found.currency))

    async def refund(self, order: Order, cents: int, refund_id: str) -> str:
        raise ProviderFailed("Payments in crypto can't be refunded.", sure=True)

    def read_event(self, body: bytes, header: Header, now_s: float) -> Event:
        check_coinbase(body, header, self._secrets, now_s)
        try:
            told = _CHECKOUT.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise InvalidRequest(f"An event that can't be read: {error}") from None
        order_id = told.metadata.get(ORDER)
        # Its events have no id of their own: one of a kind for each checkout (docs.cdp.coinbase.com, "Checkouts").
        event_id = f"{told.event_type} {told.id}"
        if order_id and told.event_type == "checkout.payment.success":
            return Paid(event_id, order_id, told.id, _cents(told.amount), _currency(told.currency))
        if order_id and told.event_type in ("checkout.payment.failed", "checkout.payment.expired"):
            return NotPaid(event_id, order_id)
        return Other(event_id, told.event_type)

    async def _ask(self, method: str, path: str, wanted: object = None, repeat_id: str | None = None) -> "_Checkout":
        headers = [("authorization", f"Bearer {self._token(method, path)}"), ("accept", "application/json")]
        if repeat_id is not None:
            headers += [("x-idempotency-key", repeat_id), ("content-type", "application/json")]
        body = b"" if wanted is None else msgspec.json.encode(wanted)
        try:
            with self._client.call(HttpRequest(method, self._url + path, tuple(headers), body), DEADLINES) as call:
                await call.start()
                answer = await call.read()
        except (UpstreamFault, ValueError):
            raise ProviderFailed("Coinbase can't be reached.", sure=False) from None
        if call.status not in (200, 201):
            sure = 400 <= call.status < 500 and call.status not in (409, 429)
            raise ProviderFailed(f"Coinbase answered with status {call.status}.", sure=sure)
        try:
            return _CHECKOUT.decode(answer)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise ProviderFailed("Coinbase's answer can't be read.", sure=False) from None

    def _token(self, method: str, path: str) -> str:
        """Who asks for what, for two minutes: a JWT that is good for one method and path."""
        now_s = int(self._now_s())
        algorithm, sign = self._sign
        head = {"alg": algorithm, "typ": "JWT", "kid": self._key_id, "nonce": secrets.token_hex(16)}
        claims = {
            "iss": "cdp",
            "sub": self._key_id,
            "nbf": now_s,
            "exp": now_s + TOKEN_S,
            "uri": f"{method} {urlsplit(self._url).netloc}{path}",
        }
        signed = b".".join(_base64url(msgspec.json.encode(part)) for part in (head, claims))
        return (signed + b"." + _base64url(sign(signed))).decode()


class _Checkout(Struct, rename="camel"):
    """A checkout, in an answer or an event."""

    id: str
    amount: str = ""
    currency: str = ""
    status: str = ""
    url: str = ""
    address: str | None = None
    expires_at: str | None = None
    event_type: str = ""
    metadata: dict[str, str] = {}


_CHECKOUT = msgspec.json.Decoder(_Checkout)


def _signer(key_secret: str) -> "tuple[str, Callable[[bytes], bytes]]":
    """An Ed25519 key in base64 (seed and public half), or an EC key in PEM. ValueError: neither."""
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if "BEGIN" not in key_secret:
        seed = base64.b64decode(key_secret, validate=True)
        if len(seed) not in (32, 64):
            raise ValueError("not an Ed25519 key in base64")
        return "EdDSA", Ed25519PrivateKey.from_private_bytes(seed[:32]).sign
    key = load_pem_private_key(key_secret.replace("\\n", "\n").encode(), password=None)
    if not isinstance(key, EllipticCurvePrivateKey):
        raise ValueError("not an EC key")

    def sign(data: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(data, ECDSA(SHA256())))
        return r.to_bytes(32) + s.to_bytes(32)

    return "ES256", sign


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _decimal(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"


def _cents(text: str) -> int:
    """A decimal amount in whole cents; 0 where it is none, which matches no order."""
    whole, _, rest = text.partition(".")
    digits = whole + rest[:2].ljust(2, "0")
    if not (digits.isascii() and digits.isdecimal()) or len(text) > 20 or rest[2:].strip("0"):
        return 0
    return int(digits)


def _currency(code: str) -> str:
    """A USDC is a dollar."""
    return {"USDC": "usd", "USD": "usd"}.get(code.upper(), code.lower())


def _ms(at: str | None) -> int | None:
    from datetime import datetime

    try:
        return int(datetime.fromisoformat(at).timestamp() * 1000) if at else None
    except ValueError:
        return None
