"""`/workspace`, as a browser without scripts uses it: names, members, roles, invitations, budgets."""

import re

import pytest

from tests.api.browsing import Browser
from tests.support import Answer, World
from tests.web.site import Looked
from tollway.domain.people import Role, User
from tollway.storage.keys import spent_by_day
from tollway.storage.members import find_workspace, members_of
from tollway.web.figures import amount

HOSTILE = "\"><script>alert(1)</script>'{{ 7 * 7 }}"


@pytest.fixture(scope="module")
def owner(well: World) -> User:
    return well.new_user("ws-owner", Role.OWNER, "ws-team")


@pytest.fixture(scope="module")
def member(well: World, owner: User) -> User:
    return well.new_user("ws-member", Role.MEMBER, "ws-team")


def browser_of(well: World, user: User) -> Browser:
    browser = Browser(well)
    browser.cookie = well.signed_in(user)["cookie"]
    return browser


def roles(well: World, workspace: str) -> dict[str, Role]:
    return {each.user_id: each.role for each in well.run(members_of(well.house.database, workspace))}


def row_of(page: Answer, text: str) -> list[str]:
    return next(row for row in Looked(page.text).rows if any(text in cell for cell in row))


def test_names(well: World, owner: User) -> None:
    """Name, slug and description are changed; what is wrong is said, with what was typed still there."""
    browser = browser_of(well, owner)
    page = browser.get("/workspace?workspace=ws-team")
    assert page.headers["cache-control"] == "no-store"
    done = browser.submit(page, "/workspace/name", name="The team", slug="the-ws-team", description="For tests")
    assert done.headers["location"] == "/workspace?workspace=ws-team&done=named"
    page = browser.get(done.headers["location"])
    assert "The name is saved" in page.text
    assert "For tests" in page.text
    wrong = browser.submit(page, "/workspace/name", name="Kept as typed", slug="No Slug!")
    assert (wrong.status, "Kept as typed" in wrong.text, "slug" in wrong.text) == (400, True, True)
    found = well.run(find_workspace(well.house.database, "ws-team"))
    assert found is not None
    assert (found.name, found.slug) == ("The team", "the-ws-team")


def test_a_hostile_name_is_text(well: World) -> None:
    """Whatever a workspace is called, the page shows it and runs nothing."""
    user = well.new_user("ws-hostile", Role.OWNER, "ws-hostile")
    browser = browser_of(well, user)
    page = browser.submit(browser.get("/workspace?workspace=ws-hostile"), "/workspace/name", name=HOSTILE[:100])
    looked = Looked(browser.get(page.headers["location"]).text)
    assert all((tag.get("src") or "").startswith("/static/") for tag in looked.all("script"))
    assert not [name for _, tag in looked.tags for name in tag if name.startswith("on") or name == "style"]


def test_an_invitation_and_roles(well: World, owner: User) -> None:
    """A link is shown once and brings somebody in with its role, which then is changed; then they are removed."""
    browser = browser_of(well, owner)
    page = browser.get("/workspace?workspace=ws-team")
    made = browser.submit(page, "/workspace/invite", email="", role="billing")
    link = Looked(made.text).by_id["secret"]
    assert "/join#" in link
    assert link not in browser.get("/workspace?workspace=ws-team").text
    guest = well.new_user("ws-guest")
    theirs = browser_of(well, guest)
    joined = theirs.submit(theirs.get("/join"), "/join", token=link.partition("#")[2])
    assert joined.status == 303
    assert roles(well, "ws-team")[guest.id] is Role.BILLING
    page = browser.get("/workspace?workspace=ws-team")
    assert row_of(page, guest.email)[0].startswith("ws-guest")
    done = browser.submit(page, "/workspace/role", user_id=guest.id, role="admin")
    assert done.status == 303
    assert roles(well, "ws-team")[guest.id] is Role.ADMIN
    for fields in ({"user_id": guest.id, "role": "king"}, {"user_id": "nobody", "role": "member"}):
        assert browser.submit(page, "/workspace/role", **fields).status == 400
    assert browser.submit(page, "/workspace/remove", user_id=guest.id).status == 303
    assert guest.id not in roles(well, "ws-team")
    assert browser.submit(page, "/workspace/remove", user_id=guest.id).status == 400
    last = browser.submit(page, "/workspace/role", user_id=owner.id, role="member")
    assert (last.status, "needs an owner" in last.text) == (400, True)


def test_budgets(well: World, owner: User) -> None:
    """Set, shown, refused where it makes no sense, and taken away."""
    browser = browser_of(well, owner)
    page = browser.get("/workspace?workspace=ws-team")
    asked = {"workspace_id": "ws-team", "interval": "monthly"}
    well.run(well.stage.grant("ws-team", "10"))
    key = well.new_key("ws-team")
    assert well.chat(headers=key.headers).status == 200
    well.settled()
    spent = sum(each.spent for each in well.run(spent_by_day(well.house.database, key.key.id)))
    rows = Looked(browser.get("/workspace?workspace=ws-team").text).rows
    assert [row[1] for row in rows if row[0].startswith(("in all", "each "))] == [amount(spent)] * 4
    assert browser.submit(page, "/workspace/budget", **asked, limit="90").status == 303
    page = browser.get("/workspace?workspace=ws-team")
    assert 'value="90"' in page.text
    assert "the fee alone counts" in page.text
    assert browser.submit(page, "/workspace/own").status == 303
    page = browser.get("/workspace?workspace=ws-team")
    assert "What your own providers bill counts, too." in page.text
    assert browser.submit(page, "/workspace/own").status == 303
    for fields, said in (
        ({**asked, "interval": "daily", "limit": "95"}, "must be below"),
        ({**asked, "limit": "much"}, "an amount in USD"),
        ({**asked, "limit": "-5"}, "must be 0 or more"),
        ({**asked, "interval": "hourly", "limit": "5"}, "interval: one of"),
    ):
        wrong = browser.submit(page, "/workspace/budget", **fields)
        assert (wrong.status, said in wrong.text) == (400, True), wrong.text
    assert browser.submit(page, "/workspace/budget", **asked, limit="").status == 303
    assert "/workspace/own" not in browser.get("/workspace?workspace=ws-team").text
    assert browser.submit(page, "/workspace/own").status == 404
    assert 'value="90"' not in browser.get("/workspace?workspace=ws-team").text


def test_what_a_member_may(well: World, owner: User, member: User) -> None:
    """Sees the page without forms that change it; what is sent all the same is refused, and nothing is done."""
    browser = browser_of(well, member)
    page = browser.get("/workspace?workspace=ws-team")
    assert page.status == 200
    actions = {tag["action"] for tag in Looked(page.text).all("form")}
    assert actions == {"/workspace/leave", "/workspace/create"}
    before = roles(well, "ws-team")
    form = {"csrf": re.findall(r'name="csrf" value="(\w+)"', page.text)[0], "workspace_id": "ws-team"}
    for path, fields in (
        ("name", {"name": "Mine", "slug": "mine-now"}),
        ("role", {"user_id": member.id, "role": "owner"}),
        ("remove", {"user_id": owner.id}),
        ("invite", {"role": "member"}),
        ("budget", {"interval": "daily", "limit": "1"}),
        ("own", {"own": "yes"}),
        ("delete", {"confirm": "the-ws-team"}),
    ):
        answer = browser.post(f"/workspace/{path}", **form, **fields)
        assert answer.status in (400, 403), (path, answer.text)
    assert roles(well, "ws-team") == before
    found = well.run(find_workspace(well.house.database, "ws-team"))
    assert found is not None
    assert found.name != "Mine"


def test_an_admin_makes_no_owner(well: World, owner: User) -> None:
    """Roles above one's own are not on offer, and not given."""
    admin = well.new_user("ws-admin", Role.ADMIN, "ws-team")
    browser = browser_of(well, admin)
    page = browser.get("/workspace?workspace=ws-team")
    assert "<option>owner" not in page.text
    assert browser.submit(page, "/workspace/role", user_id=admin.id, role="owner").status == 403
    assert browser.submit(page, "/workspace/invite", email="", role="owner").status == 403
    assert browser.submit(page, "/workspace/remove", user_id=owner.id).status == 403
    assert roles(well, "ws-team")[admin.id] is Role.ADMIN


def test_another_workspace(well: World, owner: User) -> None:
    """Made, shown by the switcher, left by nobody else, and deleted by who types its slug."""
    browser = browser_of(well, owner)
    page = browser.get("/workspace?workspace=ws-team")
    wrong = browser.submit(page, "/workspace/create", name="Twice", slug="the-ws-team")
    assert (wrong.status, "taken" in wrong.text) == (400, True)
    made = browser.submit(page, "/workspace/create", name="Second", slug="ws-second")
    page = browser.get(made.headers["location"])
    assert (page.status, "This is your new workspace" in page.text) == (200, True)
    links = {tag.get("href") for tag in Looked(page.text).all("a")}
    assert "/workspace?workspace=ws-team" in links
    id_ = made.headers["location"].partition("workspace=")[2].partition("&")[0]
    assert browser.submit(page, "/workspace/delete", confirm="wrong").status == 400
    assert browser.submit(page, "/workspace/delete", confirm="ws-second").status == 303
    assert browser.get(f"/workspace?workspace={id_}").status == 404


def test_doors(well: World, owner: User) -> None:
    """Nobody: sign in first. Another tenant: 404, as for what is not there. Other sessions' and sites' forms: 403."""
    stranger = Browser(well)
    assert stranger.get("/workspace").headers["location"] == "/sign-in?next=%2Fworkspace"
    other = browser_of(well, well.new_user("ws-other", Role.OWNER, "ws-other"))
    page = other.get("/workspace?workspace=ws-other")
    assert other.get("/workspace?workspace=ws-team").status == 404
    assert other.get("/workspace?workspace=nowhere").status == 404
    before = roles(well, "ws-team")
    for path in ("name", "role", "remove", "leave", "invite", "budget", "own", "delete"):
        fields = {"workspace_id": "ws-team", "user_id": owner.id, "role": "member", "interval": "daily", "limit": "1"}
        assert other.submit(page, f"/workspace/{path}", **fields).status in (403, 404), path
        assert browser_of(well, owner).post(f"/workspace/{path}", **fields, csrf="wrong").status == 403
        cross = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "cross-site"}
        assert browser_of(well, owner).post(f"/workspace/{path}", cross, **fields).status == 403
    assert roles(well, "ws-team") == before


def test_leaving(well: World, owner: User) -> None:
    """Who leaves is a member no more."""
    user = well.new_user("ws-leaver", Role.MEMBER, "ws-team")
    browser = browser_of(well, user)
    left = browser.submit(browser.get("/workspace?workspace=ws-team"), "/workspace/leave")
    assert left.status == 303
    assert user.id not in roles(well, "ws-team")
