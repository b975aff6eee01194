"""The registry of quirks speaks of providers that exist."""

from tollway.catalog.shipped import shipped
from tollway.providers import QUIRKS


def test_quirks_are_of_known_providers() -> None:
    """A slug that the catalog does not have would be a quirk that never applies."""
    assert QUIRKS.keys() <= {provider.slug for provider in shipped().providers}
