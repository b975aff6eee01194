"""The payment providers that are configured; one without a secret for its webhooks is none."""

import time

from tollway.billing.settings import Payments
from tollway.config import ConfigError
from tollway.payments.base import PaymentProvider
from tollway.payments.coinbase import Coinbase
from tollway.upstream.client import UpstreamClient


def open_providers(settings: Payments, client: UpstreamClient) -> dict[str, PaymentProvider]:
    """By name. ConfigError: a key that can't be read, or a library that is not installed."""
    found: dict[str, PaymentProvider] = {}
    secrets = tuple((settings.stripe_webhook_secret or "").split())
    if settings.stripe_key and secrets:
        try:
            from tollway.payments.stripe import Stripe  # the SDK takes a second, which only who sells by it shall wait
        except ModuleNotFoundError as error:
            raise ConfigError(f"payments.stripe_key: {error}") from None
        found["stripe"] = Stripe(client, settings.stripe_key, secrets, settings.stripe_url)
    secrets = tuple((settings.coinbase_webhook_secret or "").split())
    if settings.coinbase_key and settings.coinbase_key_id and secrets:
        try:
            found["coinbase"] = Coinbase(
                client, settings.coinbase_key_id, settings.coinbase_key, secrets, settings.coinbase_url, time.time
            )
        except ValueError:
            raise ConfigError("payments.coinbase_key: neither an Ed25519 key in base64 nor an EC key in PEM") from None
    return found
