"""Two hundred hostile strings as names, titles and errors, on each page that shows them: nothing runs or loads."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs
from playwright.sync_api import Page

from tests.browser.visitor import Visits
from tests.support import Stage, World, offer, world
from tollway.domain.generation import Attempt, Generation, Usage
from tollway.domain.health import Outcome
from tollway.domain.people import Member, Role, User, Workspace
from tollway.identity.keys import issue_key
from tollway.storage.keys import insert_key
from tollway.storage.ledger import commit_generations
from tollway.storage.members import new_workspace, set_member
from tollway.storage.usage_days import DAY_MS
from tollway.storage.users import new_user

HOSTILE: list[str] = json.loads((Path(__file__).parent / "hostile.json").read_text("utf-8"))
PLACE = "hostile-place"
LOOKED = """() => {
  const all = [...document.querySelectorAll("*")];
  return {
    ran: Boolean(globalThis.ran),
    scripts: all.filter((it) => it.localName === "script" && !it.src.startsWith(location.origin)).length,
    loaders: all.filter((it) => ["iframe", "object", "embed", "base", "img", "video", "audio", "style", "marquee"]
      .includes(it.localName)).map((it) => it.outerHTML),
    handlers: all.flatMap((it) => it.getAttributeNames().filter((name) => name.startsWith("on") || name === "srcdoc")),
    links: all.filter((it) => it.localName === "a" && it.hasAttribute("href"))
      .filter((it) => !["http:", "https:"].includes(it.protocol)).map((it) => it.outerHTML),
  };
}"""
NOTHING: dict[str, object] = {"ran": False, "scripts": 0, "loaders": [], "handlers": [], "links": []}


class Cursed:
    """A world in which every name is hostile, and who may see all of it."""

    def __init__(self, place: World, user: User) -> None:
        self.world = place
        self.user = user


@pytest.fixture(scope="module")
def cursed() -> Iterator[Cursed]:
    with world(offer("test/model")) as place:
        yield Cursed(place, place.run(curse(place.stage)))


async def curse(stage: Stage) -> User:
    """Keys, workspaces, users, apps and errors of these names."""
    house, now_ms = stage.house, stage.house.gateway.now_ms()
    user = User("hostile-user", "hostile@example.com", HOSTILE[0][:100], now_ms, email_verified=True, admin=True)
    await house.database.write(new_user(user, None))
    await stage.join(user, Role.OWNER, PLACE)
    await stage.grant(PLACE, "5")
    made = []
    for number, text in enumerate(HOSTILE):
        key, _ = issue_key(
            workspace_id=PLACE, name=text[:80], pepper=house.pepper, now_ms=now_ms, creator_user_id=user.id
        )
        await insert_key(house.database, key)
        asked = hostile_request(number, text, key.id, now_ms - DAY_MS)  # rankings are of days that are over
        made.append(asked)
        # ... and name only what three keys used.
        made += [structs.replace(asked, id=f"{asked.id}-{other}", key_id=f"{key.id}-{other}") for other in "bc"]
        if number % 10 == 0:
            place = Workspace(f"hostile-{number}", f"hostile-{number}", text[:80], now_ms, description=text[:200])
            other = User(f"u{number}", f"u{number}@example.com", text[:80], now_ms)
            member = set_member(Member(PLACE, other.id, Role.MEMBER, now_ms))
            owner = set_member(Member(place.id, user.id, Role.OWNER, now_ms))
            await house.database.write(*new_workspace(place), owner, new_user(other, None), member)
    await commit_generations(house.database, made)
    return user


def hostile_request(number: int, text: str, key_id: str, now_ms: int) -> Generation:
    """One that failed; everything that a caller or a provider may say is this text. The first has all of them."""
    told = HOSTILE if number == 0 else [text]
    failed = Outcome.PROVIDER_ERROR
    return Generation(
        id=f"gen-hostile-{number}",
        workspace_id=PLACE,
        key_id=key_id,
        created_ms=now_ms - number,
        model="test/model",
        api_type="completions",
        origin="/api/v1/chat/completions",
        streamed=True,
        cancelled=False,
        finish_reason="error" if number % 2 else "stop",
        native_finish_reason=text,
        endpoint_id="a:test/model",
        provider="a",
        price_id=None,
        usage=Usage(prompt=10, completion=number),
        cost=0,
        absorbed=0,
        cache_discount=0,
        latency_ms=5,
        generation_ms=5,
        attempts=tuple(Attempt("a:test/model", "a", failed, 500, 5, text, each) for each in told),
        error=text,
        http_referer=f"https://app-{number}.example",
        app_title=text,
        user_agent=text,
        session_id=text,
        external_user=text,
        upstream_id=text,
    )


PAGES = {
    "/keys": 20,
    "/keys?offset=100": 20,
    "/overview": 0,
    "/activity?by=key": 5,
    "/activity?by=app": 5,
    "/activity?by=user": 0,
    "/logs": 10,
    "/logs?columns=app&columns=key&columns=error&columns=finish": 10,
    "/logs/gen-hostile-0": 100,
    "/logs/gen-hostile-7": 1,
    "/workspace": 10,
    "/credits": 1,
    "/credits/history": 1,
    "/account": 1,
    "/preferences": 0,
    "/admin": 0,
    "/admin/users": 10,
    "/admin/users/hostile-user": 10,
    "/rankings": 10,
    "/status": 0,
    "/chat": 0,
}
"""Where they are shown, and how many of them must be seen at least: a page without them would prove nothing."""


@pytest.mark.parametrize("path", list(PAGES))
def test_nothing_runs(cursed: Cursed, visit: Visits, path: str) -> None:
    """No script, no request, no dialog, no element that a name made."""
    visitor = visit(cursed.user, world=cursed.world)
    visitor.context.add_init_script("globalThis.hacked = () => { globalThis.ran = true; };")
    page = visitor.open(f"{path}{'&' if '?' in path else '?'}workspace={PLACE}&workspace_id={PLACE}")
    page.evaluate("document.querySelectorAll('details.switch').forEach((it) => { it.open = true; })")
    page.wait_for_timeout(150)  # what would run late
    assert page.evaluate(LOOKED) == NOTHING
    assert seen(page) >= PAGES[path], f"only {seen(page)} are seen"


def seen(page: Page) -> int:
    """How many of the strings stand on the page as text or as a field's value, as far as they go."""
    text = page.evaluate(
        "document.body.innerText + [...document.querySelectorAll('input, option')].map((it) => it.value + it.text)"
    )
    flat = " ".join(str(text).split())
    return sum(" ".join(each[:60].split()) in flat for each in HOSTILE if each.strip())


@pytest.mark.parametrize("number", range(0, len(HOSTILE), 22))
def test_queries_do_nothing(cursed: Cursed, visit: Visits, number: int) -> None:
    """The same strings as words that a link brings: searched for, suggested as a name, as the next page."""
    visitor = visit(cursed.user, world=cursed.world)
    visitor.context.add_init_script("globalThis.hacked = () => { globalThis.ran = true; };")
    visitor.watch.expect(r"status of 40[04]")
    for text in HOSTILE[number : number + 22 : 7]:
        for path, name in (("/models", "q"), ("/explore", "model"), ("/auth", "key_label"), ("/admin/users", "search")):
            url = visitor.page.evaluate("([path, name, text]) => path + '?' + new URLSearchParams([[name, text]])",
                                        [path, name, text])  # fmt: skip
            visitor.page.goto(cursed.world.url + url)
            assert visitor.page.evaluate(LOOKED) == NOTHING
