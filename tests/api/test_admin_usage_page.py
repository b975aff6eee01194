"""`/admin/usage`: what everybody used over days, by four things, and why attempts failed."""

import csv
import io
import json
from collections.abc import Iterator

import pytest

from tests.api.browsing import Browser
from tests.api.test_admin_pages import signed
from tests.support import World, offer, request, world
from tests.web.site import Looked
from tollway.domain.measured import EndpointHour
from tollway.domain.people import Role
from tollway.storage.endpoint_hours import HOUR_MS, save_hours

PATHS = ("/admin/usage", "/admin/usage.csv", "/admin/usage.json")


@pytest.fixture(scope="module")
def town() -> Iterator[World]:
    """Two workspaces, of which one asked twice and the other once; an hour in which attempts failed."""
    with world(offer("test/one"), offer("test/two", at=("b",))) as it:
        for place, model, times in (("busy", "test/one", 2), ("calm", "test/two", 1)):
            person = it.new_user(f"{place}-owner", Role.OWNER, place)
            key = it.new_key(place, credits_usd="5", creator=person)
            for _ in range(times):
                body = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
                assert request(it.url, "POST", "/api/v1/chat/completions", body, headers=key.headers).status == 200
        hour = it.house.gateway.now_ms() // HOUR_MS - 30
        counted = EndpointHour(requests=50, failed=9, limited=3, timed_out=4, unreached=2, refused=1)
        it.run(save_hours(it.house.database, [(("a:test/one", hour), counted)]))
        yield it


@pytest.fixture(scope="module")
def admin(town: World) -> Browser:
    return signed(town, town.new_user("usage-chief", Role.OWNER, "usage-house", admin=True))


@pytest.mark.parametrize("path", PATHS)
def test_for_admins_alone(town: World, admin: Browser, path: str) -> None:
    """Who is not signed in is led to the door, others are refused."""
    assert Browser(town).get(path).headers["location"].startswith("/sign-in?next=%2Fadmin")
    plain = signed(town, town.new_user(f"usage-plain-{PATHS.index(path)}", Role.OWNER, "usage-other"))
    assert plain.get(path).status == 403
    assert admin.get(path).status == 200


@pytest.mark.parametrize(
    ("by", "names", "link"),
    [
        ("provider", {"a", "b"}, "/admin/providers/a"),
        ("model", {"test/one", "test/two"}, "/models/test/one"),
        ("workspace", {"busy", "calm"}, "/activity?workspace=busy"),
        ("user", {"busy-owner@example.com", "calm-owner@example.com"}, "/admin/users/"),
    ],
)
def test_by_each(admin: Browser, by: str, names: set[str], link: str) -> None:
    """The sums of each, the most first, a way to what is known of it, and the same figures as a file."""
    page = admin.get(f"/admin/usage?by={by}&show=requests&days=7")
    assert page.status == 200, page.text
    assert any(each.startswith(link) for each in Looked(page.text).urls())
    rows = json.loads(admin.get(f"/admin/usage.json?by={by}&days=7").text)["data"]
    assert sorted(each["requests"] for each in rows) == [1, 2]
    assert all(float(each["usage_usd"]) > 0 and each["tokens_prompt"] > 0 for each in rows)
    if by != "provider":
        assert {each["name"] for each in rows} == names
    assert {each["name"] in page.text for each in rows} == {True}
    [header, *lines] = csv.reader(io.StringIO(admin.get(f"/admin/usage.csv?by={by}&days=7").text))
    assert (header[0], len(lines)) == ("day", 2)


@pytest.mark.parametrize("show", ["spend", "requests", "errors", "tokens"])
@pytest.mark.parametrize("days", ["7", "30", "90"])
def test_each_figure(admin: Browser, show: str, days: str) -> None:
    """A chart with a column for each day."""
    page = admin.get(f"/admin/usage?show={show}&days={days}")
    assert page.status == 200
    assert page.text.count('<th scope="row">2') == int(days)


def test_why_attempts_failed(admin: Browser) -> None:
    """By kind, from the hours in which attempts are counted; what is of no kind is a broken answer."""
    page = admin.get("/admin/usage?days=7").text
    row = page[page.index("Why attempts failed") :]
    figures = row[row.index("<tbody>") : row.index("</tbody>")]
    assert [int(each.split("<")[0]) for each in figures.split('class="num">')[1:7]] == [50, 3, 4, 2, 1, 2]


@pytest.mark.parametrize("query", ["days=8", "by=planet", "show=love"])
def test_words_that_are_none(admin: Browser, query: str) -> None:
    """A 400 in place of a page, and of a file."""
    for path in PATHS:
        assert admin.get(f"{path}?{query}").status == 400


def test_an_operator_reads_a_workspace(town: World, admin: Browser) -> None:
    """From a user's page to what their workspace used; others see no more than before, and no such is a 404."""
    user = town.new_user("usage-looked-at", Role.OWNER, "usage-looked-at")
    shown = Looked(admin.get(f"/admin/users/{user.id}").text).urls()
    for path in ("/overview", "/activity", "/logs"):
        assert f"{path}?workspace=usage-looked-at" in shown
        assert admin.get(f"{path}?workspace=busy").status == 200
        assert admin.get(f"{path}?workspace=no-such").status == 404
        plain = signed(town, user)
        assert plain.get(f"{path}?workspace=busy").status == 404
