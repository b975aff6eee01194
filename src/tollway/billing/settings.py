"""What credits cost and how they are paid for, as the configuration has it."""

import re
from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta, Struct

from tollway.domain.money import nanodollars_from_text
from tollway.domain.storefronts import Group

SLUG = r"^[a-z0-9][a-z0-9._/-]{0,63}$"
Usd = Annotated[str, Meta(pattern=r"^[0-9]{1,9}(\.[0-9]{1,9})?\Z")]
EXAMPLE_SECRETS = frozenset({"changeme", "secret", "password", "tollway", "your-secret-key"})


class CreditPack(Struct, frozen=True, forbid_unknown_fields=True):
    """Credits at a price, as `GET /v1/billing/status` lists them. Amounts are USD, decimal strings."""

    id: Annotated[str, Meta(pattern=SLUG)]
    name: str
    price_usd: Usd
    credits_usd: Usd | None = None
    """By default as much as it costs."""


class Billing(Struct, frozen=True, forbid_unknown_fields=True):
    """What customers may buy, and groups of them that have prices of their own."""

    packs: tuple[CreditPack, ...] = ()
    groups: tuple[Group, ...] = ()


class Payments(Struct, frozen=True, forbid_unknown_fields=True):
    """How credits are paid for. A provider needs its key and the secret that its webhooks are signed with."""

    stripe_key: str | None = None
    stripe_webhook_secret: str | None = None
    """Several, with spaces in between, while one replaces another."""
    stripe_url: str = "https://api.stripe.com"
    coinbase_key_id: str | None = None
    coinbase_key: str | None = None
    coinbase_webhook_secret: str | None = None
    coinbase_url: str = "https://business.coinbase.com"
    fee_percent: Usd = "0"
    """What is charged beside the credits, in percent of them; packs have a price of their own."""
    fee_min_usd: Usd = "0"
    crypto_fee_percent: Usd = "0"
    purchase_min_usd: Usd = "5"
    purchase_max_usd: Usd = "25000"
    refund_h: Annotated[float, Meta(ge=0, le=24 * 365)] = 24.0
    """Hours in which who bought may have back what is unused."""
    expire_days: Annotated[int, Meta(ge=0, le=36_500)] = 365
    """When what is left of a purchase expires; 0: never."""
    expire_given_days: Annotated[int, Meta(ge=0, le=36_500)] = 365
    seller: str = ""
    """Who sells, as receipts say it: name, address, tax number; lines with \\n in between."""
    tax_name: str = "VAT"
    tax_percent: Annotated[str, Meta(pattern=r"^[0-9]{1,2}(\.[0-9]{1,4})?\Z")] = "0"
    """What of each price is tax, as receipts say it: prices include it."""

    def __repr__(self) -> str:
        shown = {name: getattr(self, name) for name in self.__struct_fields__ if name not in PAYMENT_SECRETS}
        return f"Payments({', '.join(f'{name}={value!r}' for name, value in shown.items())}, ***)"


PAYMENT_SECRETS = ("stripe_key", "stripe_webhook_secret", "coinbase_key", "coinbase_webhook_secret")


def odd_payments(payments: Payments, billing: Billing) -> Iterator[str]:
    """What is of the right type and still can't be meant, a sentence each."""
    for name in PAYMENT_SECRETS:
        secret = getattr(payments, name)
        if secret is not None and secret.strip().lower() in EXAMPLE_SECRETS | {""}:
            yield f"payments.{name} is empty or a known example: whoever knows it could credit himself"
    for provider in ("stripe", "coinbase"):
        if (getattr(payments, f"{provider}_key") is None) is not (
            getattr(payments, f"{provider}_webhook_secret") is None
        ):
            yield f"payments.{provider}_key and payments.{provider}_webhook_secret go together"
        url = getattr(payments, f"{provider}_url")
        if not re.match(r"https://[^/\s]|http://(127\.0\.0\.1|\[::1\]|localhost)[:/]", url):
            yield f"payments.{provider}_url: a key is sent over https only"
    if (payments.coinbase_key is None) is not (payments.coinbase_key_id is None):
        yield "payments.coinbase_key and payments.coinbase_key_id go together"
    for pack in billing.packs:
        for name in ("price_usd", "credits_usd"):
            text = getattr(pack, name)
            if text is not None and (not (whole := nanodollars_from_text(text)) or whole % 10**7):
                yield f"billing.packs: {pack.id}.{name} must be more than 0, in whole cents"
