"""Who may sign up, changed by an admin while the server runs: in force at once, everywhere, after a restart as well."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.browsing import Browser
from tests.api.test_admin_pages import entries, signed
from tests.support import World, offer, request, world
from tollway.config import Users
from tollway.domain.people import Role
from tollway.gateway.sign_up_desk import SignUpDesk


@pytest.fixture(scope="module")
def town() -> Iterator[World]:
    """A server whose configuration lets everybody in, with a credit."""
    with world(offer("test/model"), settings={"users": Users("open", launch_credit_usd="2")}) as it:
        yield it


@pytest.fixture(scope="module")
def admins(town: World) -> tuple[Browser, Browser]:
    one, two = (signed(town, town.new_user(f"door-{name}", Role.OWNER, "door", admin=True)) for name in ("a", "b"))
    return one, two


def say(admin: Browser, policy: str) -> int:
    return admin.submit(admin.get("/admin/site"), "/admin/site/sign-up", sign_up=policy).status


def comes(town: World, name: str) -> int:
    """Somebody new, at the door of the API."""
    body = {"email": f"{name}@example.com", "password": "correct horse battery", "name": name}
    headers = {"sec-fetch-site": "same-origin"}
    return request(town.url, "POST", "/account/v1/sign-up", body, headers=headers).status


def test_in_force_at_once(town: World, admins: tuple[Browser, Browser]) -> None:
    """At the doors, on each page that says it, in the log; and with the configuration's word again."""
    admin, guest = admins[0], Browser(town)
    assert comes(town, "first") == 200
    for policy, status, told in (("invite", 403, "By invitation"), ("off", 403, "")):
        assert say(admin, policy) == 303
        assert comes(town, f"late-{policy}") == status
        assert told in guest.get("/sign-up").text
        assert ("No account?" in guest.get("/sign-in").text) is (policy != "off")
        assert ("New users get" in guest.get("/pricing").text) is (policy != "off")
        setup = admin.get("/admin/setup?step=people").text
        assert "An admin said so on this site" in setup
        assert ("Nobody may sign up" in setup) is (policy == "off")
        assert f'value="{policy}" selected' in admin.get("/admin/site").text
    again = SignUpDesk(town.house.database, town.house.audit, town.house.people, "open")
    town.run(again.load())
    assert (again.policy, comes(town, "after-a-start")) == ("off", 403)
    assert say(admin, "configured") == 303
    assert comes(town, "second") == 200
    assert "An admin said so" not in admin.get("/admin/setup?step=people").text
    assert len(entries(town, "sign_up.changed")) == 3


def test_by_the_api(town: World) -> None:
    """What is configured is told beside what is in force; what is no policy is a 400, other people are refused."""
    chief = town.signed_in(town.new_user("door-chief", Role.OWNER, "door-chief", admin=True))

    def ask(method: str, body: Any = None, headers: dict[str, str] = chief) -> Any:
        return request(town.url, method, "/admin/v1/settings", body, headers=headers)

    done = ask("PATCH", {"sign_up": "off"}).json["data"]
    assert (done["sign_up"], done["sign_up_configured"]) == ("off", "open")
    assert ask("GET").json["data"]["sign_up"] == "off"
    assert ask("PATCH", {"sign_up": None}).json["data"]["sign_up"] == "open"
    for wrong in ({}, {"sign_up": "king"}, {"sign_up": True}, {"sign_up": "off", "more": 1}):
        assert ask("PATCH", wrong).status == 400
    assert ask("PATCH", {"sign_up": "off"}, {}).status == 401
    plain = town.signed_in(town.new_user("door-plain", Role.OWNER, "door-plain"))
    assert ask("PATCH", {"sign_up": "off"}, plain).status == 403
    assert ask("GET").json["data"]["sign_up"] == "open"


def test_on_the_page(town: World, admins: tuple[Browser, Browser]) -> None:
    """Of two admins the second is told what the first did; a word that is none is a 400 and changes nothing."""
    first, second = admins
    stale = second.get("/admin/site")
    assert "lock out everybody" in stale.text
    assert say(first, "invite") == 303
    refused = second.submit(stale, "/admin/site/sign-up", sign_up="open")
    assert (refused.status, "sign_up.changed" in refused.text) == (409, True)
    assert say(first, "king") == 400
    assert town.house.sign_up.policy == "invite"
    plain = signed(town, town.new_user("door-other", Role.OWNER, "door-other"))
    assert plain.post("/admin/site/sign-up", sign_up="open").status == 403
    assert say(second, "configured") == 303
