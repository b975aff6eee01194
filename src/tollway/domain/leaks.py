"""Leaked keys: what a scanner of public code tells (GitHub's secret scanning partner program), and who is believed."""

from collections.abc import Iterator, Mapping

from msgspec import Struct, field


class SecretScanning(Struct, frozen=True, forbid_unknown_fields=True):
    """Whose word counts. Without a URL and without keys, the URL for scanners is not there."""

    url: str | None = None
    """Where the scanner lists its public keys: GitHub's is https://api.github.com/meta/public_keys/secret_scanning."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Public keys by identifier, as PEM; known before, and beside, those of the URL."""

    @property
    def on(self) -> bool:
        return self.url is not None or bool(self.keys)


class Leak(Struct, frozen=True):
    """A text that looks like a key of ours, and where it was found."""

    token: str
    type: str = ""
    url: str | None = None
    source: str | None = None


def odd_scanning(settings: SecretScanning) -> Iterator[str]:
    """What is wrong with the settings."""
    if settings.url is not None and not settings.url.startswith(("https://", "http://127.0.0.1:")):
        yield "leaks.url: an https:// URL, or anybody on the way could name keys"
    for name, pem in settings.keys.items():
        if "BEGIN PUBLIC KEY" not in pem:
            yield f"leaks.keys.{name}: a public key as PEM, beginning with -----BEGIN PUBLIC KEY-----"
