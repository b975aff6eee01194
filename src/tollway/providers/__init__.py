"""The list is the registry: every provider of which we know more than the catalog says."""

from collections.abc import Mapping

from tollway.domain.catalog import ProviderInfo
from tollway.providers.amazon import AMAZON
from tollway.providers.anthropic import ANTHROPIC
from tollway.providers.azure import AZURE
from tollway.providers.base import AUTH, Provider, bearer, signed
from tollway.providers.google import GOOGLE
from tollway.providers.hosts import HOSTS
from tollway.providers.labs import LABS
from tollway.providers.local import LOCAL
from tollway.providers.openai import OPENAI
from tollway.providers.routers import ROUTERS

__all__ = ["LOCAL", "PROVIDERS", "Provider", "bearer", "provider_for", "signed"]

PROVIDERS: Mapping[str, Provider] = {
    each.slug: each for each in (OPENAI, ANTHROPIC, *GOOGLE, *AMAZON, *AZURE, *LABS, *HOSTS, *ROUTERS, *LOCAL)
}
"""By slug. A provider that is not here follows its wire format to the letter."""


def provider_for(info: ProviderInfo) -> Provider:
    """What we know of a provider of the catalog: the registry's value, or one made of the catalog's facts."""
    if known := PROVIDERS.get(info.slug):
        return known
    auth = AUTH.get(info.wire_format, bearer)
    return Provider(info.slug, info.name, info.base_url, info.wire_format, info.key_env, auth)
