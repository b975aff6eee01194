"""Signatures of webhooks: Stripe's and Coinbase's, of the raw body, with any of several secrets, in constant time."""

import hmac
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256

from tollway.domain.errors import Unauthenticated

TOLERANCE_S = 300
"""How far a signature's time may be from ours (docs.stripe.com/webhooks, "Verify webhook signatures")."""

Header = Callable[[str], Sequence[str]]
"""Every value that a request has for a header's name."""


class Forged(Unauthenticated):
    """The event does not carry the provider's signature, or an old one."""


def check_stripe(body: bytes, header: Header, secrets: Sequence[str], now_s: float) -> None:
    """`Stripe-Signature: t=<seconds>,v1=<hex>`: HMAC-SHA256 of "<t>.<body>". Forged."""
    _, fields = _fields(header, "stripe-signature", now_s)
    _check(f"{fields['t'][0]}.".encode() + body, fields.get("v1", []), secrets)


def check_coinbase(body: bytes, header: Header, secrets: Sequence[str], now_s: float) -> None:
    """`X-Hook0-Signature: t=<seconds>,h=<names>,v1=<hex>`: HMAC-SHA256 of "<t>.<names>.<their values>.<body>". Forged.

    (docs.cdp.coinbase.com, "Webhooks", "Verification".)
    """
    _, fields = _fields(header, "x-hook0-signature", now_s)
    names = fields.get("h", [""])[0]
    values = [header(name) for name in names.split(" ")] if names else []
    if any(len(each) > 1 for each in values):
        raise Forged("A header that is signed is there twice.")
    told = ".".join([fields["t"][0], names, ".".join(each[0] if each else "" for each in values), ""])
    _check(told.encode() + body, fields.get("v1", []), secrets)


def _fields(header: Header, name: str, now_s: float) -> tuple[int, Mapping[str, list[str]]]:
    values = header(name)
    if len(values) != 1:
        raise Forged(f"The header {name} has to be there once.")
    fields: dict[str, list[str]] = {}
    for part in values[0].split(","):
        key, _, value = part.strip().partition("=")
        fields.setdefault(key, []).append(value)
    times = fields.get("t", [])
    if len(times) != 1 or not (times[0].isascii() and times[0].isdecimal() and len(times[0]) <= 12):
        raise Forged(f"The header {name} names no time.")
    if abs(now_s - int(times[0])) > TOLERANCE_S:
        raise Forged(f"The signature is more than {TOLERANCE_S} s old.")
    return int(times[0]), fields


def _check(signed: bytes, signatures: Sequence[str], secrets: Sequence[str]) -> None:
    good = False
    for secret in secrets:
        if not secret.strip():
            continue  # whoever knows that a secret is empty could sign (FAULTS.md, CVE-2026-41432)
        expected = hmac.new(secret.encode(), signed, sha256).hexdigest().encode()
        for signature in signatures:
            good |= hmac.compare_digest(expected, signature.encode())
    if not good:
        raise Forged("The signature is not the provider's.")
