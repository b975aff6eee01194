"""What an operator says on every page of the site: an announcement, and links of their own in the navigation."""

from msgspec import Struct


class SiteLink(Struct, frozen=True):
    """A link of the navigation. `url`: a path of this site, or an address with http or https."""

    word: str
    url: str


class SiteWords(Struct, frozen=True, omit_defaults=True):
    """Kept as JSON; without any the site looks as it came."""

    banner: str = ""
    """Above the content of every page; "": there is none."""
    banner_url: str = ""
    """Where the announcement leads, as `SiteLink.url`; "": nowhere."""
    links: tuple[SiteLink, ...] = ()
