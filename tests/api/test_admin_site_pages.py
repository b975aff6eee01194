"""`/admin/site` and `/admin/jobs`: the operator's words on every page, and what goes on in the background."""

import csv
import io
import re

import pytest

from tests.api.browsing import Browser
from tests.api.test_admin_pages import entries, signed
from tests.support import World
from tests.web.site import Looked
from tollway.domain.people import Role, User
from tollway.gateway.site_desk import leads_somewhere

PATHS = ("/admin/site", "/admin/jobs", "/admin/jobs.csv", "/admin/jobs.json")
HOSTILE = "\"><script>alert(1)</script>'{{ 7 * 7 }}"


@pytest.fixture(scope="module")
def chief(well: World) -> User:
    return well.new_user("words-chief", Role.OWNER, "words-house", admin=True)


@pytest.fixture
def admin(well: World, chief: User) -> Browser:
    return signed(well, chief)


def say(admin: Browser, **fields: str) -> tuple[int, str]:
    """The form with these fields; status and text."""
    blank = {"banner": "", "banner_url": "", "links": ""}
    answer = admin.submit(admin.get("/admin/site"), "/admin/site", **{**blank, **fields})
    return answer.status, answer.text


@pytest.mark.parametrize("path", PATHS)
def test_for_admins_alone(well: World, admin: Browser, path: str) -> None:
    """Who is not signed in is led to the door, others are refused."""
    assert Browser(well).get(path).headers["location"].startswith("/sign-in?next=%2Fadmin")
    plain = signed(well, well.new_user(f"words-plain-{PATHS.index(path)}", Role.OWNER, "words-other"))
    assert plain.get(path).status == 403
    assert admin.get(path).status == 200


def test_every_page_says_it(well: World, admin: Browser) -> None:
    """At once, to everybody, after a start as well, until it is taken back; in the audit log."""
    links = "Help desk https://help.example.com/a?b=1\n\nState /status"
    assert say(admin, banner=f"  Work on Sunday {HOSTILE} ", banner_url="/status", links=links)[0] == 303
    for path in ("/", "/models", "/sign-in", "/docs"):
        page = Browser(well).get(path)
        shown = Looked(page.text)
        [notice] = re.findall(r'<aside class="notice" aria-label="Announcement">(.*?)</aside>', page.text)
        assert notice.startswith('<a href="/status" rel="noopener">Work on Sunday &#34;&gt;&lt;script')
        assert {"https://help.example.com/a?b=1", "/status"} <= shown.urls()
        assert ">Help desk</a>" in page.text
        assert "<script>alert" not in page.text
    well.run(well.house.site.load())
    assert "Work on Sunday" in Browser(well).get("/").text
    assert "Help desk https://help.example.com/a?b=1" in admin.get("/admin/site").text
    assert any("Work on Sunday" in each for each in entries(well, "site.changed"))
    assert say(admin)[0] == 303
    assert "Announcement" not in Browser(well).get("/").text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"banner": "x" * 301}, "at most 300"),
        ({"banner": "x", "banner_url": "javascript:alert(1)"}, "begins with https://"),
        ({"banner_url": "//elsewhere.example"}, "begins with https://"),
        ({"links": "https://no-name.example"}, "a name and an address"),
        ({"links": "Run data:text/html,x"}, "begins with https://"),
        ({"links": f"{'x' * 31} /status"}, "at most 30 letters"),
        ({"links": "\n".join(f"Link{n} /status" for n in range(7))}, "at most 6"),
    ],
)
def test_what_can_t_be_said(well: World, admin: Browser, fields: dict[str, str], said: str) -> None:
    """The form comes again with what was typed and what is wrong; pages stay as they were."""
    before = well.house.site.words()
    status, text = say(admin, **fields)
    assert (status, said in text) == (400, True)
    typed = next(iter(fields.values())).splitlines()[0]
    assert typed[:20] in text
    assert well.house.site.words() == before


def test_forged(well: World, admin: Browser) -> None:
    """Of another session, or of another site."""
    page = admin.get("/admin/site")
    other = signed(well, well.new_user("words-forger", Role.OWNER, "words-other"))
    token = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert token is not None
    assert other.post("/admin/site", csrf=token[1], banner="x").status == 403
    assert admin.post("/admin/site", csrf="0" * 32, banner="x").status == 403
    assert admin.post("/admin/site", {"origin": "https://evil.example"}, csrf=token[1], banner="x").status == 403
    assert well.house.site.words().banner == ""


@pytest.mark.parametrize(
    "url",
    ["", "/\\evil.example", "http://", "https://[", "ftp://x.example", "/a b", "/x" * 300, "\x00/", "java\nscript:"],
)
def test_addresses_that_lead_nowhere(url: str) -> None:
    """Whatever a browser would run, or read as another site's."""
    assert not leads_somewhere(url)


def test_jobs_tell_how_they_are(well: World, admin: Browser) -> None:
    """The page and its files hold each job; one that failed stands first, with its error."""
    pulses = well.house.jobs.pulses
    data = admin.get("/admin/jobs.json").json["data"]
    assert {each["job"] for each in data} == set(pulses)
    assert {"count minutes", "watch prices"} <= set(pulses)
    name = max(pulses)
    before = pulses[name].error
    pulses[name].error = f"it broke {HOSTILE}"
    try:
        shown = Looked(admin.get("/admin/jobs").text)
        assert [shown.rows[1][0], shown.rows[1][1]] == [name, "failed"]
        assert shown.rows[1][4] == f"it broke {HOSTILE}"
        lines = list(csv.DictReader(io.StringIO(admin.get("/admin/jobs.csv").text)))
        assert (lines[0]["job"], lines[0]["state"]) == (name, "failed")
    finally:
        pulses[name].error = before
