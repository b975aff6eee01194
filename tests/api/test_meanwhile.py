"""Two who edit the same thing at once: the second gets a 409 that says what the first did, and overwrites nothing."""

import threading
from collections.abc import Iterator

import pytest
from msgspec import Struct, structs

from tests.api.browsing import Browser, fields_of
from tests.support import Answer, World, offer, world
from tollway.domain.people import Role
from tollway.gateway.guardrail_desk import default_guardrail_id

PLACE = "both"


@pytest.fixture(scope="module")
def town() -> Iterator[World]:
    with world(offer("test/model"), offer("test/other")) as it:
        yield it


class Form(Struct, frozen=True):
    """A form that writes something anew as a whole: its page, its URL, what the first and the second choose."""

    page: str
    path: str
    first: dict[str, str]
    second: dict[str, str]
    what: str
    """What the page says that the first did."""


MODELS = ("test/model", "test/other")
OWN = f"/guardrails/{default_guardrail_id(PLACE)}"
SETTINGS = "workspace.changed"
SORTED = {"provider": '{"sort": "price"}'}
FORMS = (
    Form("/preferences", "/preferences/defaults", {"default_model": "test/model"}, {"sort": "price"}, SETTINGS),
    Form("/preferences", "/preferences/provider", SORTED, {"provider": "{}"}, SETTINGS),
    Form("/privacy", "/privacy/policy", {"policy": "zdr"}, {"policy": "deny"}, SETTINGS),
    Form("/workspace", "/workspace/name", {"name": "By the first"}, {"name": "By the second"}, SETTINGS),
    Form("/admin/site", "/admin/site", {"banner": "By the first"}, {"banner": "By the second"}, "site.changed"),
    Form(OWN, f"{OWN}/change", {"description": "first"}, {"description": "second"}, "guardrail.changed"),
    Form("/presets/kept", "/presets/save", {"config": '{"seed": 1}'}, {"config": '{"top_p": 0.5}'}, "version 2"),
    Form(
        "/admin/providers/ours", "/admin/providers/ours/change", {"name": "By the first"}, {"name": "Second"},
        "provider.changed: name",
    ),
    Form(
        "/admin/prices/endpoint?id=a:test/model", "/admin/prices/endpoint", {"prompt": "1", "completion": "2"},
        {"prompt": "3", "completion": "4"}, "price.set",
    ),
    Form(
        "/workspace", "/workspace/budget", {"limit": "40", "interval": "weekly"},
        {"limit": "50", "interval": "weekly"}, "budget.set",
    ),
    Form("/byok", "/byok/change", {"name": "By the first"}, {"name": "By the second"}, "byok.changed"),
    Form("/keys/{key}", "/keys/{key}/edit", {"limit": "3"}, {"limit": "4"}, "key.changed"),
    Form("/admin/providers/ours", "/admin/providers/ours/weight", {"weight": "2"}, {"weight": "3"}, "provider.weighed"),
    Form(
        "/admin/aliases", "/admin/aliases", {"alias": "acme/best", "model": "test/model"},
        {"alias": "acme/best", "model": "test/other"}, "catalog.changed",
    ),
    Form(
        "/admin/aliases", "/admin/aliases/levels", {"name": "acme/middle", "level": "middle", "models": "test/model"},
        {"name": "acme/middle", "level": "high", "models": "test/other"}, "level.created",
    ),
    Form(
        "/admin/aliases", "/admin/aliases/groups", {"name": "resale", "multiplier": "2"},
        {"name": "resale", "multiplier": "3"}, "group.created",
    ),
    Form(
        "/admin/aliases", "/admin/aliases/groups/move", {"who": PLACE, "group": "kept"}, {"who": PLACE, "group": ""},
        "group.moved",
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def both(town: World) -> tuple[Browser, Browser]:
    """Two admins who own the same workspace, with a preset and a provider in it."""
    found = []
    for name in ("first", "second"):
        user = town.new_user(name, Role.OWNER, PLACE, admin=True)
        browser = Browser(town)
        browser.cookie = town.signed_in(user)["cookie"]
        found.append(browser)
    first, second = found
    made = first.submit(
        first.get(f"/presets?workspace={PLACE}"), "/presets/save", slug="kept", system="", config='{"temperature": 1}'
    )
    assert made.status == 303, made.text
    address = f"{town.simulator.url}/p/ours/v1"
    fields = {"slug": "ours", "base_url": address, "models": "sim/fast", "free": "on"}
    added = first.submit(first.get("/admin/providers"), "/admin/providers", **fields)
    assert added.status == 303, added.text
    own = first.submit(
        first.get(f"/byok?workspace={PLACE}"), "/byok/create", provider="a", key="sk-test-0123456789abcdef", name="own"
    )
    assert own.status == 303, own.text
    group = first.submit(first.get("/admin/aliases"), "/admin/aliases/groups", name="kept", multiplier="2")
    assert group.status == 303, group.text
    return first, second


@pytest.fixture(scope="module")
def key(town: World) -> str:
    """The id of a key of the workspace."""
    return town.new_key(PLACE).key.id


def opened(browser: Browser, form: Form) -> Answer:
    mark = "&" if "?" in form.page else "?"
    page = browser.get(f"{form.page}{mark}workspace={PLACE}")
    assert page.status == 200, page.text
    assert fields_of(page, form.path)["seen"].isdecimal()
    return page


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.path)
def test_who_is_second(both: tuple[Browser, Browser], key: str, form: Form) -> None:
    """409 with who did what, a link, and what was typed; nothing is changed, and from the newest page it works."""
    first, second = both
    form = structs.replace(form, page=form.page.replace("{key}", key), path=form.path.replace("{key}", key))
    stale = opened(second, form)
    assert first.submit(opened(first, form), form.path, **form.first).status == 303
    before = fields_of(opened(second, form), form.path)
    refused = second.submit(stale, form.path, **form.second)
    assert refused.status == 409, refused.text
    assert "<strong>first@example.com</strong>" in refused.text
    assert form.what in refused.text
    assert form.page.partition("?")[0] in refused.text
    assert fields_of(stale, form.path)["csrf"] not in refused.text
    typed = next(iter(form.second.values())).partition('"')[0]
    assert f"<pre>{typed}" in refused.text
    assert refused.headers["cache-control"] == "no-store"

    now = opened(second, form)
    assert fields_of(now, form.path) == before
    done = second.submit(now, form.path, **form.second)
    assert done.status == 303, done.text


def test_of_two_at_once_one_is_taken(both: tuple[Browser, Browser]) -> None:
    """However close they are: the second waits for the first, and then sees what it did."""
    form = FORMS[3]
    pages = [opened(each, form) for each in both]
    statuses: list[int] = []

    def send(number: int) -> None:
        statuses.append(both[number].submit(pages[number], form.path, name=f"At once {number}").status)

    threads = [threading.Thread(target=send, args=(number,)) for number in (0, 1)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(statuses) == [303, 409]


def test_a_mistake_keeps_what_was_seen(both: tuple[Browser, Browser]) -> None:
    """A form that comes back with an error is as old as it was: it still does not overwrite what came between."""
    first, second = both
    form = FORMS[3]
    wrong = second.submit(opened(second, form), form.path, name="x", slug="No Slug!")
    assert wrong.status == 400
    assert first.submit(opened(first, form), form.path, name="Between").status == 303
    again = second.submit(wrong, form.path, name="Late", slug="")
    assert again.status == 409


def test_other_things_do_not_disturb(both: tuple[Browser, Browser]) -> None:
    """What somebody did elsewhere is no conflict; nor is what one did oneself, before going back in the browser."""
    first, second = both
    page = opened(second, FORMS[3])
    assert first.submit(opened(first, FORMS[5]), FORMS[5].path, description="elsewhere").status == 303
    assert second.submit(page, FORMS[3].path, name="Undisturbed").status == 303
    assert second.submit(page, FORMS[3].path, name="Again").status == 303
    preset = opened(second, FORMS[6])
    for config in ('{"seed": 2}', '{"seed": 3}'):
        assert second.submit(preset, FORMS[6].path, config=config).status == 303


@pytest.mark.parametrize("seen", ["x", "1.5", "9" * 30, "-"])
def test_odd_numbers(both: tuple[Browser, Browser], seen: str) -> None:
    """A number that is none is a 400, and one beyond the log's end changes nothing for the others: no 500."""
    page = opened(both[0], FORMS[3])
    assert both[0].submit(page, FORMS[3].path, name="Odd", seen=seen).status in (303, 400)


def test_budgets_of_other_intervals_do_not_disturb(both: tuple[Browser, Browser]) -> None:
    """The four are one workspace's, and each is a thing of its own."""
    first, second = both
    form = FORMS[3]
    stale = opened(second, form)
    assert first.submit(opened(first, form), "/workspace/budget", interval="daily", limit="1").status == 303
    assert second.submit(stale, "/workspace/budget", interval="monthly", limit="500").status == 303
    refused = second.submit(stale, "/workspace/budget", interval="daily", limit="")
    assert refused.status == 409
    assert second.submit(stale, "/workspace/budget", interval="%", limit="1").status == 400


def test_a_key_is_not_sent_to_an_address_that_its_sender_has_not_seen(both: tuple[Browser, Browser]) -> None:
    """Who pastes a provider's key means the address that the page showed; the 409 does not repeat the key."""
    first, second = both
    page = "/admin/providers/ours"
    stale = second.get(page)
    assert first.submit(first.get(page), f"{page}/change", name="Moved").status == 303
    refused = second.submit(stale, f"{page}/key", key="sk-of-the-second-0123456789")
    assert refused.status == 409
    assert "sk-of-the-second" not in refused.text


def test_admins_of_the_same_user(town: World, both: tuple[Browser, Browser]) -> None:
    """What another admin did to a user or a workspace meanwhile is not undone; the same again only agrees."""
    first, second = both
    user = town.new_user("watched", Role.OWNER, "watched")
    page = f"/admin/users/{user.id}"
    stale = second.get(page)
    assert first.submit(first.get(page), f"{page}/admin").status == 303
    assert second.submit(stale, f"{page}/admin").status == 409

    stale = second.get(page)
    assert first.submit(first.get(page), f"{page}/disable").status == 303
    assert second.submit(stale, f"{page}/disable").status == 303
    stale = second.get(page)
    assert first.submit(first.get(page), f"{page}/enable").status == 303
    assert first.submit(first.get(page), f"{page}/disable").status == 303
    assert second.submit(stale, f"{page}/enable").status == 409

    stale = second.get(page)
    for change in ("stop", "go"):
        assert first.submit(first.get(page), f"{page}/{change}").status == 303
    assert second.submit(stale, f"{page}/stop").status == 409


def test_a_name_that_somebody_else_changed_is_not_removed(both: tuple[Browser, Browser]) -> None:
    """The page said another model, another multiplier."""
    first, second = both
    for path, gone, changes in (
        ("/admin/aliases", "/admin/aliases/remove", ({"alias": "acme/gone", "model": each} for each in MODELS)),
        (
            "/admin/aliases/groups",
            "/admin/aliases/groups/remove",
            ({"name": "gone", "multiplier": each} for each in "23"),
        ),
    ):
        made, changed = changes
        assert second.submit(second.get("/admin/aliases"), path, **made).status == 303
        stale = second.get("/admin/aliases")
        assert first.submit(first.get("/admin/aliases"), path, **changed).status == 303
        named = {name: value for name, value in made.items() if name in ("alias", "name")}
        assert second.submit(stale, gone, **named).status == 409
        assert second.submit(second.get("/admin/aliases"), gone, **named).status == 303
