"""Passkeys: made, named, removed, and signed in by; and every lie that an authenticator or a page can tell."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import cbor2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.browsing import Browser, asks_first, fields_of
from tests.identity.soft_authenticator import Lies, SoftAuthenticator, text_of
from tests.support import Answer, World, request, world
from tollway.config import Server
from tollway.domain.issuers import Identity
from tollway.domain.passkeys import Place, place_of
from tollway.domain.people import User
from tollway.identity.challenges import OPEN_MS
from tollway.storage.audit_log import list_entries
from tollway.storage.database import Statement
from tollway.storage.users import disable_user

HERE = Place("tollway.example", "https://tollway.example")
PAGE = {"content-type": "application/json", "sec-fetch-site": "same-origin"}
SIGN_IN = "/account/v1/sign-in/passkey"
MINE = "/account/v1/passkeys"
NUMBERS = count(1)
"""For people who are alike."""


@pytest.fixture(scope="module")
def town() -> Iterator[World]:
    with world(server=Server(port=0, public_url=HERE.origin)) as it:
        yield it


@pytest.fixture(autouse=True)
def patient(town: World) -> None:
    """Tests sign in more often than people may."""
    town.house.people.passwords._buckets._empty_at.clear()


class Person:
    """Somebody with a session and an authenticator."""

    def __init__(self, town: World, name: str, counted: int | None = 0) -> None:
        self.town = town
        self.user: User = town.new_user(name)
        self.headers = town.signed_in(self.user)
        self.device = SoftAuthenticator(HERE.origin, HERE.rp_id, counted)

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        return request(self.town.url, method, path, body, headers=self.headers)

    def add(self, device: SoftAuthenticator | None = None, lies: Lies | None = None, **more: Any) -> Answer:
        """A passkey, by whatever the device answers."""
        told = self.ask("POST", f"{MINE}/new/challenge", {}).json["data"]
        made = (device or self.device).make(told["options"], lies or Lies())
        return self.ask("POST", MINE, {"state": told["state"], "credential": made, "name": "laptop", **more})

    def enter(self, lies: Lies | None = None) -> Answer:
        """Signs in, in a browser that nobody is signed in with."""
        return Visit(self.town).enter(self.device, lies)


class Visit:
    """A browser on the page for signing in."""

    def __init__(self, town: World) -> None:
        self._town = town
        self.cookie = ""

    def challenge(self) -> dict[str, Any]:
        answer = self.ask(f"{SIGN_IN}/challenge", {})
        assert answer.status == 200, answer.text
        self.cookie = answer.headers["set-cookie"].partition(";")[0]
        told: dict[str, Any] = answer.json["data"]
        return told

    def enter(self, device: SoftAuthenticator, lies: Lies | None = None) -> Answer:
        told = self.challenge()
        return self.ask(SIGN_IN, {"state": told["state"], "credential": device.sign(told["options"], lies or Lies())})

    def ask(self, path: str, body: Any, headers: dict[str, str] = PAGE) -> Answer:
        more = {"cookie": self.cookie} if self.cookie else {}
        return request(self._town.url, "POST", path, body, headers={**headers, **more})


def test_a_passkey(town: World) -> None:
    """Made with a name, listed, signed in by, counted, named anew, removed; each change is in the audit log."""
    person = Person(town, "first")
    options = person.ask("POST", f"{MINE}/new/challenge", {}).json["data"]["options"]
    assert options["rp"] == {"id": "tollway.example", "name": "Tollway"}
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert options["authenticatorSelection"]["residentKey"] == "required"
    added = person.add()
    assert added.status == 201, added.text
    [shown] = person.ask("GET", MINE).json["data"]
    assert (shown["name"], shown["last_used_at"], shown["works_here"]) == ("laptop", None, True)
    again = person.ask("POST", f"{MINE}/new/challenge", {}).json["data"]["options"]
    assert [each["id"] for each in again["excludeCredentials"]] == [person.device.id]
    entered = person.enter()
    assert entered.status == 200, entered.text
    assert entered.json["data"]["user"]["email"] == "first@example.com"
    cookie = next(each for each in entered.cookies if each.startswith("__Host-tollway="))
    me = request(town.url, "GET", "/account/v1/me", headers={"cookie": cookie.partition(";")[0]})
    assert me.json["data"]["user"]["id"] == person.user.id
    assert person.ask("GET", MINE).json["data"][0]["last_used_at"]
    path = f"{MINE}/{shown['id']}"
    assert person.ask("PATCH", path, {"name": " <b>phone</b> "}).json["data"]["name"] == "<b>phone</b>"
    assert person.ask("PATCH", path, {"name": " "}).status == 400
    person.add(SoftAuthenticator(HERE.origin, HERE.rp_id))
    assert person.ask("DELETE", path, {}).status == 200
    assert person.enter().status == 401
    actions = [each.action for each in town.run(list_entries(town.house.database)) if each.target == person.user.id]
    assert actions[:4] == ["passkey.removed", "passkey.added", "passkey.renamed", "passkey.added"]


def test_an_authenticator_that_does_not_count(town: World) -> None:
    """Passkeys that several devices share say 0 each time."""
    person = Person(town, "synced", None)
    assert person.add().status == 201
    assert [person.enter().status for _ in range(2)] == [200, 200]


@pytest.mark.parametrize(
    "lies",
    [
        Lies(origin="https://evil.example"),
        Lies(origin="http://tollway.example"),
        Lies(origin="https://tollway.example:8443"),
        Lies(rp_id="evil.example"),
        Lies(challenge=text_of(b"x" * 43)),
        Lies(kind="webauthn.other"),
        Lies(verified=False),
        Lies(present=False),
    ],
    ids=str,
)
def test_lies(town: World, lies: Lies) -> None:
    """Neither a new passkey nor a sign-in is taken from who lies, and the honest one goes on working."""
    person = Person(town, f"liar-{next(NUMBERS)}")
    refused = person.add(lies=lies)
    assert (refused.status, "no passkey for this site" in refused.text) == (400, True)
    assert person.ask("GET", MINE).json["data"] == []
    assert person.add().status == 201
    wrong = person.enter(lies)
    assert (wrong.status, wrong.cookies) == (401, ())
    assert person.enter().status == 200


@pytest.mark.parametrize(
    "lies", [Lies(signature=b"no signature"), Lies(signature=b""), Lies(other_key=True), Lies(user="")], ids=str
)
def test_lies_of_signatures(town: World, lies: Lies) -> None:
    """Another key, no signature at all, or nobody's name: the same words as for every other reason."""
    person = Person(town, f"signer-{next(NUMBERS)}")
    person.add()
    wrong, strange = person.enter(lies), Visit(town).enter(SoftAuthenticator(HERE.origin, HERE.rp_id))
    assert wrong.status == strange.status == 401
    assert wrong.json == strange.json


def test_another_users_credential(town: World) -> None:
    """Who says that a passkey is somebody else's gets nowhere; nobody registers one twice."""
    ann, ben = Person(town, "ann"), Person(town, "ben")
    ann.add()
    ben.add()
    assert ann.enter(Lies(user=text_of(ben.user.id.encode()))).status == 401
    taken = ben.add(ann.device)
    assert (taken.status, "registered already" in taken.text) == (400, True)
    [theirs] = ben.ask("GET", MINE).json["data"]
    for method, body in (("PATCH", {"name": "mine"}), ("DELETE", {})):
        stolen = ann.ask(method, f"{MINE}/{theirs['id']}", body)
        absent = ann.ask(method, f"{MINE}/no-such", body)
        assert (stolen.status, stolen.json) == (404, absent.json)
    assert [each["name"] for each in ben.ask("GET", MINE).json["data"]] == ["laptop"]


def test_the_counter_goes_back(town: World) -> None:
    """Two authenticators with one key: the one that is behind is refused, and the audit log says so."""
    person = Person(town, "copied", 10)
    person.add()
    assert person.enter().status == 200
    for behind in (5, 10):
        person.device.count = behind
        assert person.enter().status == 401
    entries = [each for each in town.run(list_entries(town.house.database)) if each.target == person.user.id]
    assert [each.action for each in entries][:2] == ["passkey.copied"] * 2
    person.device.count = 11
    assert person.enter().status == 200
    person.device.count = None  # says 0 from now on
    assert person.enter().status == 401


def test_a_challenge_counts_once(town: World) -> None:
    """Replayed, it is refused, although a device that does not count signed it rightly; so is a new passkey's."""
    person = Person(town, "replay", None)
    told = person.ask("POST", f"{MINE}/new/challenge", {}).json["data"]
    body = {"state": told["state"], "credential": person.device.make(told["options"])}
    assert [person.ask("POST", MINE, body).status for _ in range(2)] == [201, 403]
    visit = Visit(town)
    told = visit.challenge()
    body = {"state": told["state"], "credential": person.device.sign(told["options"])}
    assert [visit.ask(SIGN_IN, body).status for _ in range(2)] == [200, 403]


def test_a_challenge_is_of_one_browser(town: World) -> None:
    """Another browser's, another session's, one for something else, or a made-up one: refused."""
    person, other = Person(town, "here", None), Person(town, "there", None)
    person.add()
    one, two = Visit(town), Visit(town)
    told = one.challenge()
    two.challenge()
    body = {"state": told["state"], "credential": person.device.sign(told["options"])}
    assert two.ask(SIGN_IN, body).status == 403
    assert Visit(town).ask(SIGN_IN, body).status == 403
    for state in ("", "x.y", f"{told['state']}0", told["state"].replace(".", "A.", 1), "ä.ö"):
        assert one.ask(SIGN_IN, {**body, "state": state}).status == 403
    assert one.ask(SIGN_IN, body).status == 200
    new = person.ask("POST", f"{MINE}/new/challenge", {}).json["data"]
    device = SoftAuthenticator(HERE.origin, HERE.rp_id)
    making = {"state": new["state"], "credential": device.make(new["options"])}
    assert other.ask("POST", MINE, making).status == 403
    signing = {"state": new["state"], "credential": person.device.sign(new["options"])}
    assert one.ask(SIGN_IN, signing).status == 403
    assert person.ask("POST", MINE, making).status == 201


def test_two_tabs(town: World) -> None:
    """The second does not end the first: both have their challenge in the same browser."""
    person = Person(town, "tabs", None)
    person.add()
    visit = Visit(town)
    first, second = visit.challenge(), visit.challenge()
    for told in (second, first):
        body = {"state": told["state"], "credential": person.device.sign(told["options"])}
        assert visit.ask(SIGN_IN, body).status == 200


def test_a_challenge_is_over(town: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """After five minutes; a moment before, it counts."""
    person = Person(town, "late", None)
    person.add()
    real = town.house.gateway.now_ms
    for later_ms, status in ((OPEN_MS, 403), (OPEN_MS - 5000, 200)):
        visit = Visit(town)
        told = visit.challenge()
        body = {"state": told["state"], "credential": person.device.sign(told["options"])}
        monkeypatch.setattr(type(town.house.gateway), "now_ms", staticmethod(lambda by=later_ms: real() + by))
        assert visit.ask(SIGN_IN, body).status == status
        monkeypatch.undo()


def test_who_is_disabled(town: World) -> None:
    """The passkey stays and signs nobody in."""
    person = Person(town, "disabled")
    person.add()
    town.run(town.house.database.write(disable_user(person.user.id, True)))
    assert person.enter().status == 401
    town.run(town.house.database.write(disable_user(person.user.id, False)))
    assert person.enter().status == 200


def test_the_last_way_in_stays(town: World) -> None:
    """Of an issuer and a passkey either can go, never both, whoever asks first."""
    identity = Identity("https://issuer.example", "9", "last@example.com", "Last")
    town.house.people.policy = "open"
    user = town.run(town.house.people.come_in(identity, town.house.gateway.now_ms()))
    person = Person(town, "unused")
    person.user, person.headers = user, town.signed_in(user)
    person.add()
    [mine] = person.ask("GET", MINE).json["data"]
    town.run(town.house.people.unlink(user, identity.issuer, 1))
    refused = person.ask("DELETE", f"{MINE}/{mine['id']}", {})
    assert (refused.status, "could not sign in any more" in refused.text) == (400, True)
    town.run(town.house.people.link(user, identity, 1))
    assert person.ask("DELETE", f"{MINE}/{mine['id']}", {}).status == 200


def test_made_for_another_host(town: World) -> None:
    """Where the address changed, old passkeys are shown as such, do not count as a way in, and can be removed."""
    person = Person(town, "moved")
    person.add()
    person.add(SoftAuthenticator(HERE.origin, HERE.rp_id))
    old, _ = person.ask("GET", MINE).json["data"]
    sql = "UPDATE passkeys SET rp_id = 'old.example' WHERE id = :id"
    town.run(town.house.database.write(Statement(sql, ({"id": old["id"]},))))
    shown, now = person.ask("GET", MINE).json["data"]
    assert (shown["host"], shown["works_here"]) == ("old.example", False)
    assert person.ask("DELETE", f"{MINE}/{now['id']}", {}).status == 400
    assert person.ask("DELETE", f"{MINE}/{old['id']}", {}).status == 200


def test_a_fresh_sign_in_is_wanted(town: World) -> None:
    """16 minutes after it no passkey is added or removed; names may change."""
    person = Person(town, "stale")
    person.add()
    person.add(SoftAuthenticator(HERE.origin, HERE.rp_id))
    old = Statement("UPDATE sessions SET fresh_ms = fresh_ms - 960000 WHERE user_id = :id", ({"id": person.user.id},))
    town.run(town.house.database.write(old))
    [mine, _] = person.ask("GET", MINE).json["data"]
    assert person.ask("POST", f"{MINE}/new/challenge", {}).status == 403
    assert person.ask("DELETE", f"{MINE}/{mine['id']}", {}).status == 403
    assert person.ask("PATCH", f"{MINE}/{mine['id']}", {"name": "still"}).status == 200


def test_at_most_twenty(town: World) -> None:
    person = Person(town, "many")
    answers = [person.add(SoftAuthenticator(HERE.origin, HERE.rp_id)).status for _ in range(21)]
    assert answers == [201] * 20 + [400]


def test_other_sites(town: World) -> None:
    """No page of another site asks, nor does a form; a change of one's passkeys needs the page's token, too."""
    person = Person(town, "forged")
    for headers in ({**PAGE, "sec-fetch-site": "cross-site"}, {**PAGE, "content-type": "text/plain"}):
        assert Visit(town).ask(f"{SIGN_IN}/challenge", {}, headers).status == 403
        assert Visit(town).ask(SIGN_IN, {}, headers).status == 403
    without = {name: value for name, value in person.headers.items() if name != "x-csrf-token"}
    assert request(town.url, "POST", f"{MINE}/new/challenge", {}, headers=without).status == 403
    assert request(town.url, "POST", f"{MINE}/new/challenge", {}, headers=PAGE).status == 401


def test_too_many_tries(town: World) -> None:
    """51 in an hour from one address are one too many."""
    device = SoftAuthenticator(HERE.origin, HERE.rp_id)
    statuses = {Visit(town).enter(device).status for _ in range(50)}
    assert statuses == {401}
    assert Visit(town).enter(device).status == 429


def test_the_page_without_scripts(town: World) -> None:
    """A passkey is named and removed by forms; the way in that is the last one stays, and the page says why."""
    person = Person(town, "forms")
    person.add()
    browser = Browser(town)
    browser.cookie = person.headers["cookie"]
    page = browser.get("/account")
    assert "never used" in page.text
    form = "/account/passkeys/name"
    assert browser.submit(page, form, name="desk").status == 303
    assert 'value="desk"' in browser.get("/account").text
    assert browser.submit(page, form, name=" ").status == 400
    assert asks_first(page, "/account/passkeys/remove")
    assert not asks_first(page, form)
    kept = browser.post("/account/passkeys/remove", **fields_of(page, form))
    assert (kept.status, "could not sign in any more" in kept.text) == (400, True)
    person.add(SoftAuthenticator(HERE.origin, HERE.rp_id))
    assert browser.post("/account/passkeys/remove", **fields_of(page, form)).status == 303
    assert browser.post("/account/passkeys/remove", **fields_of(page, form)).status == 404
    assert 'value="desk"' not in browser.get("/account").text
    sign_in = Browser(town).get("/sign-in?next=/keys").text
    assert 'data-next="/keys"' in sign_in


def test_export_and_departure(town: World) -> None:
    """One's passkeys are in the export, and go with the account."""
    person = Person(town, "leaver")
    person.add()
    exported = person.ask("GET", "/account/v1/export").json
    assert [each["name"] for each in exported["passkeys"]] == ["laptop"]
    assert person.ask("DELETE", "/account/v1/me", {"email": "leaver@example.com"}).status == 200
    assert person.enter().status == 401


def test_an_address_without_passkeys() -> None:
    """By an IP address over http no browser makes one: no page offers it, and the API says what to do."""
    with world() as it:
        user = it.new_user("nobody")
        headers = it.signed_in(user)
        told = request(it.url, "POST", f"{MINE}/new/challenge", {}, headers=headers)
        assert (told.status, "server.public_url" in told.text) == (403, True)
        assert request(it.url, "POST", f"{SIGN_IN}/challenge", {}, headers=PAGE).status == 403
        browser = Browser(it)
        assert "x-passkey" not in browser.get("/sign-in").text
        browser.cookie = headers["cookie"]
        assert "x-passkey" not in browser.get("/account").text


@pytest.mark.parametrize(
    ("public_url", "place"),
    [
        ("https://tollway.example", HERE),
        ("https://Tollway.Example:443", HERE),
        ("https://tollway.example:8443/x", Place("tollway.example", "https://tollway.example:8443")),
        ("http://localhost:8080", Place("localhost", "http://localhost:8080")),
        ("http://a.localhost", Place("a.localhost", "http://a.localhost")),
        ("https://bücher.example", Place("xn--bcher-kva.example", "https://xn--bcher-kva.example")),
        ("http://tollway.example", None),
        ("http://127.0.0.1:8080", None),
        ("https://127.0.0.1", None),
        ("https://[::1]:8443", None),
        ("https://tollway.example:x", None),
        (f"https://{'a' * 70}.example", None),
        ("", None),
    ],
)
def test_places(public_url: str, place: Place | None) -> None:
    """The host name and the origin, as browsers write them."""
    assert place_of(public_url) == place


def test_keys_that_are_none(town: World) -> None:
    """A public key that is on no curve, of another algorithm, or no COSE at all is found out when it is made."""
    person = Person(town, "broken")
    bad = [
        cbor2.dumps({1: 2, 3: -7, -1: 1, -2: b"x" * 32, -3: b"y" * 32}),
        cbor2.dumps({1: 2, 3: -65535, -1: 1, -2: b"x" * 32, -3: b"y" * 32}),
        cbor2.dumps({1: 99, 3: -7}),
        cbor2.dumps([]),
        b"\x04",
    ]
    for key in bad:
        told = person.ask("POST", f"{MINE}/new/challenge", {}).json["data"]
        made = person.device.make(told["options"], key=key)
        assert person.ask("POST", MINE, {"state": told["state"], "credential": made}).status == 400


@pytest.mark.parametrize("at", ["clientDataJSON", "authenticatorData", "signature", "userHandle", "id", "rawId"])
@pytest.mark.parametrize("noise", ["", "%", "ä", "AAAA", "n" * 16_000], ids=["none", "sign", "letter", "nul", "long"])
def test_garbage_signs_nobody_in(noisy: Person, at: str, noise: str) -> None:
    """Nor is what a browser sends ever a 500."""
    visit = Visit(noisy.town)
    told = visit.challenge()
    shown = noisy.device.sign(told["options"])
    place = shown["response"] if at in shown["response"] else shown
    place[at] = noise
    assert visit.ask(SIGN_IN, {"state": told["state"], "credential": shown}).status == 401
    place[at] = "n" * 20_000
    assert visit.ask(SIGN_IN, {"state": told["state"], "credential": shown}).status == 400


@pytest.fixture(scope="module")
def noisy(town: World) -> Person:
    person = Person(town, "noisy")
    assert person.add().status == 201
    return person


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(noise=st.binary(max_size=200), at=st.sampled_from(["clientDataJSON", "attestationObject", "id", "rawId"]))
def test_garbage_makes_no_passkey(noisy: Person, noise: bytes, at: str) -> None:
    """Whatever an authenticator answers: a 400, never a 500."""
    told = noisy.ask("POST", f"{MINE}/new/challenge", {}).json["data"]
    made = noisy.device.make(told["options"])
    place = made["response"] if at in made["response"] else made
    place[at] = text_of(noise)
    assert noisy.ask("POST", MINE, {"state": told["state"], "credential": made}).status == 400
