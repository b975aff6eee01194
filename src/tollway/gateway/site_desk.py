"""The operator's words on the site: checked, kept, and in memory for every page."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from tollway.domain.errors import Forbidden, InvalidRequest
from tollway.domain.people import Actor
from tollway.domain.site_words import SiteLink, SiteWords
from tollway.identity.audit_log import AuditLog
from tollway.storage.database import Database
from tollway.storage.site_words import find_words, set_words

BANNER_MAX, WORD_MAX, URL_MAX, LINKS_MAX = 300, 30, 500, 6


class SiteDesk:
    """For admins who signed in lately: others get a Forbidden."""

    def __init__(self, database: Database, audit: AuditLog) -> None:
        self._database = database
        self._audit = audit
        self._words = SiteWords()

    def words(self) -> SiteWords:
        """As they are now."""
        return self._words

    async def load(self) -> None:
        """What was said before this start."""
        self._words = await find_words(self._database)

    async def change(self, actor: Actor, ask: SiteWords, now_ms: int) -> None:
        """On the next page that anybody opens. InvalidRequest: what is too long, or leads nowhere."""
        if not actor.operator:
            raise Forbidden("For admins who signed in lately.")
        words = checked(ask)
        await self._audit.write(
            actor, "site.changed", "site", set_words(words, now_ms),
            now_ms=now_ms, banner=words.banner, banner_url=words.banner_url,
            links=[f"{each.word} {each.url}" for each in words.links],
        )  # fmt: skip
        self._words = words


def links_of(lines: Sequence[str]) -> tuple[SiteLink, ...]:
    """A line each: a word or some, and the address last. InvalidRequest: a line without either."""
    found = []
    for line in filter(None, map(str.strip, lines)):
        word, _, url = line.rpartition(" ")
        if not word.strip():
            raise InvalidRequest(f"links: a name and an address, such as: Help https://help.example.com, not {line!r}")
        found.append(SiteLink(word.strip(), url))
    return tuple(found)


def checked(ask: SiteWords) -> SiteWords:
    """InvalidRequest: what can't stand on a page."""
    banner = " ".join(ask.banner.split())
    if len(banner) > BANNER_MAX:
        raise InvalidRequest(f"banner: at most {BANNER_MAX} letters", param="banner")
    if len(ask.links) > LINKS_MAX:
        raise InvalidRequest(f"links: at most {LINKS_MAX}; the navigation is short", param="links")
    if any(len(each.word) > WORD_MAX for each in ask.links):
        raise InvalidRequest(f"links: a name has at most {WORD_MAX} letters", param="links")
    urls = [*(each.url for each in ask.links), *([ask.banner_url] if ask.banner_url else [])]
    if wrong := next((url for url in urls if not leads_somewhere(url)), None):
        raise InvalidRequest(f"An address begins with https://, http:// or /; this one does not: {wrong[:80]}")
    return SiteWords(banner, ask.banner_url, ask.links)


def leads_somewhere(url: str) -> bool:
    """Whether it is a path of this site, or an address of a web site: nothing that a browser would run."""
    if len(url) > URL_MAX or not url.isprintable() or "\\" in url or any(letter.isspace() for letter in url):
        return False
    if url.startswith("/"):
        return not url.startswith("//")
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False
