"""Signing in by an OIDC issuer and by GitHub, over sockets: who comes in, who does not, and the tricks of FAULTS.md."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from argon2 import PasswordHasher

from tests.api.browsing import Browser, fields_of
from tests.api.fake_issuers import CLIENT, SECRET, Key, fake_issuer
from tests.api.fake_issuers import Issuer as Fake
from tests.support import Answer, World, request, world
from tollway.config import Server, Users
from tollway.domain.issuers import Issuer
from tollway.domain.people import Role, SignUp
from tollway.identity.actors import OPERATOR
from tollway.identity.passwords import Passwords
from tollway.identity.people import Welcome
from tollway.storage.audit_log import list_entries
from tollway.storage.database import Statement
from tollway.storage.members import memberships_of
from tollway.storage.users import find_user_by_identity, find_user_with_password, identities_of

SLUGS = ("oidc", "github")
PASSWORD = "correct horse"


@pytest.fixture(scope="module")
def fake() -> Iterator[Fake]:
    with fake_issuer() as it:
        yield it


def town_of(fake: Fake, sign_up: SignUp = "open") -> Any:
    """A server with both issuers."""
    issuers = (
        Issuer("oidc", CLIENT, SECRET, "Example", fake.url),
        Issuer("github", CLIENT, SECRET, None, fake.url, f"{fake.url}/api"),
    )
    return world(settings={"users": Users(sign_up, "2", issuers=issuers)})


@pytest.fixture(scope="module")
def town(fake: Fake) -> Iterator[World]:
    with town_of(fake) as it:
        it.house.people.passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        yield it


@pytest.fixture(autouse=True)
def honest(fake: Fake, town: World) -> None:
    """Each test begins with an issuer that tells the truth, and tests come in more often than people may."""
    fake.honest()
    town.house.people.passwords._buckets._empty_at.clear()


class Visitor(Browser):
    """A browser that also keeps the cookie of a sign-in under way, and goes to the issuer and back."""

    def __init__(self, town: World) -> None:
        super().__init__(town)
        self.jar: dict[str, str] = {}

    def _asked(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        self.cookie = "; ".join(f"{name}={value}" for name, value in self.jar.items())
        answer = request(self._world.url, method, path, body, headers={**headers, "cookie": self.cookie})
        for line in answer.cookies:
            name, _, value = line.partition(";")[0].partition("=")
            self.jar.pop(name, None)
            if "Max-Age=0" not in line:
                self.jar[name] = value
        return answer

    def leave(self, slug: str, wanted: str = "") -> str:
        """To the issuer: the path with which it sends the browser back."""
        away = self.get(f"/sign-in/{slug}{wanted}")
        assert away.status == 303, away.text
        return back_from(away.headers["location"])

    def come(self, slug: str, wanted: str = "") -> Answer:
        return self.get(self.leave(slug, wanted))

    @property
    def is_signed_in(self) -> bool:
        return self.get("/sign-in").status == 303


def back_from(url: str) -> str:
    """The issuer lets the browser in, who sent it here is asked by the path of the redirect."""
    split = urlsplit(url)
    answer = request(f"http://{split.netloc}", "GET", f"{split.path}?{split.query}")
    assert answer.status == 303
    back = urlsplit(answer.headers["location"])
    return f"{back.path}?{back.query}"


@pytest.mark.parametrize("slug", SLUGS)
def test_a_new_user_and_again(town: World, fake: Fake, slug: str) -> None:
    """Comes in with a workspace and the launch credit, once; the next time it is the same user, at any address."""
    fake.be(f"new-{slug}", f"new-{slug}@Example.com", name="Ada\n L.")
    visitor = Visitor(town)
    assert "Go on with" in visitor.get("/sign-in").text
    answer = visitor.come(slug, "?next=%2Fjoin")
    assert (answer.status, answer.headers["location"]) == (303, "/overview")
    assert visitor.is_signed_in
    assert list(visitor.jar) == ["tollway"]
    found = town.run(find_user_with_password(town.house.database, f"new-{slug}@example.com"))
    assert found is not None
    user, password = found
    assert (password, user.email_verified, user.admin) == (None, True, False)
    [home] = town.run(memberships_of(town.house.database, user.id))
    assert town.run(town.house.gateway.books.balance(home.workspace_id)) == 2 * 10**9
    fake.be(f"new-{slug}", f"other-{slug}@example.com")
    again = Visitor(town)
    assert again.come(slug).status == 303
    [(issuer, _)] = town.run(identities_of(town.house.database, user.id))
    assert issuer == fake.url
    assert town.run(find_user_with_password(town.house.database, f"other-{slug}@example.com")) is None
    assert town.run(town.house.gateway.books.balance(home.workspace_id)) == 2 * 10**9
    # By a password, which there is none of, nobody gets in.
    assert Browser(town).post("/sign-in", email=user.email, password="").status == 401


@pytest.mark.parametrize("slug", SLUGS)
def test_the_same_number_at_another_issuer(town: World, fake: Fake, slug: str) -> None:
    """An identity is an issuer with a subject: another issuer's equal subject is somebody else."""
    fake.be("twin", f"twin-{slug}@example.com")
    assert Visitor(town).come(slug).status == 303
    subject = str(fake.github["id"]) if slug == "github" else "twin"
    database = town.house.database
    assert town.run(find_user_by_identity(database, fake.url, subject)) is not None
    assert town.run(find_user_by_identity(database, "https://elsewhere.example", subject)) is None


@pytest.mark.parametrize("slug", SLUGS)
def test_another_browsers_answer(town: World, fake: Fake, slug: str) -> None:
    """Login CSRF: who is sent an answer to somebody else's question stays who they are, with and without a cookie."""
    fake.be(f"thief-{slug}", f"thief-{slug}@example.com")
    link = Visitor(town).leave(slug)
    victim = Visitor(town)
    assert victim.get(link).status == 403
    victim.get(f"/sign-in/{slug}")  # has a question of its own under way
    answer = victim.get(link)
    assert answer.status == 403
    assert "begun in this browser" in answer.text
    assert not victim.is_signed_in
    assert not victim.jar
    assert town.run(find_user_with_password(town.house.database, f"thief-{slug}@example.com")) is None


def test_an_answer_for_another_issuer(town: World, fake: Fake) -> None:
    """Mix-up: an answer to what one issuer was asked is not taken at another one's URL (RFC 9700, 4.4)."""
    fake.be("mixed", "mixed@example.com")
    visitor = Visitor(town)
    link = visitor.leave("github")
    assert visitor.get(link.replace("/sign-in/github/", "/sign-in/oidc/")).status == 403
    link = visitor.leave("oidc")
    assert visitor.get(f"{link}&iss=https%3A%2F%2Felsewhere.example").status == 403


@pytest.mark.parametrize("slug", SLUGS)
def test_once(town: World, fake: Fake, slug: str) -> None:
    """An answer again, with the cookie that it had: the cookie is used; with another one, the code is."""
    fake.be(f"again-{slug}", f"again-{slug}@example.com")
    visitor = Visitor(town)
    link = visitor.leave(slug)
    kept = dict(visitor.jar)
    assert visitor.get(link).status == 303
    again = Visitor(town)
    again.jar = kept
    assert again.get(link).status == 403
    other = Visitor(town)
    fresh = other.leave(slug)
    used = parse_qs(urlsplit(link).query)["code"][0]
    good = parse_qs(urlsplit(fresh).query)["code"][0]
    answer = other.get(fresh.replace(good, used))
    assert answer.status == 403
    assert "does not take the code" in answer.text
    assert not other.is_signed_in


def test_too_late(town: World, fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    """After ten minutes one starts again; a cookie that was changed is none."""
    fake.be("late", "late@example.com")
    visitor = Visitor(town)
    link, kept = visitor.leave("oidc"), dict(visitor.jar)
    for wrong in ("x", "", "é", kept["tollway-sign-in"][:-1], "e30." + kept["tollway-sign-in"].partition(".")[2]):
        visitor.jar = {"tollway-sign-in": wrong}
        assert visitor.get(link).status == 403, wrong
    visitor.jar = kept
    monkeypatch.setattr("tollway.identity.sign_ins.AWAY_MS", 0)
    assert visitor.get(link).status == 403


LIES: dict[str, Callable[[Fake], Any]] = {
    "another nonce": lambda fake: fake.claims.update(nonce="x"),
    "no nonce": lambda fake: fake.claims.update(nonce=None),
    "for another client": lambda fake: fake.claims.update(aud="other"),
    "for several, by another": lambda fake: fake.claims.update(aud=[CLIENT, "other"], azp="other"),
    "from another issuer": lambda fake: fake.claims.update(iss="https://elsewhere.example"),
    "over": lambda fake: fake.claims.update(exp=1_700_000_000),
    "never over": lambda fake: fake.claims.update(exp=None),
    "made in the future": lambda fake: fake.claims.update(iat=4_000_000_000),
    "nobody": lambda fake: fake.claims.update(sub=None),
    "an empty name": lambda fake: fake.claims.update(sub=""),
    "a number": lambda fake: fake.claims.update(sub=7),
    "for another token": lambda fake: fake.claims.update(at_hash="AAAAAAAAAAAAAAAAAAAAAA"),
    "unsigned": lambda fake: fake.head.update(alg="none"),
    "signed with the public key": lambda fake: fake.head.update(alg="HS256"),
    "signed with another key": lambda fake: setattr(fake, "signer", Key("first")),
    "signed with an unknown key": lambda fake: setattr(fake, "signer", Key("unknown")),
    "signed with its own key": lambda fake: fake.head.update(jwk=Key("first").public, kid=None),
}


@pytest.mark.parametrize("lie", LIES)
def test_lies(town: World, fake: Fake, lie: str) -> None:
    """What an id token must say is asked for, whatever else it says; nobody comes in, and nothing secret is shown."""
    fake.be("liar", "liar@example.com")
    LIES[lie](fake)
    visitor = Visitor(town)
    answer = visitor.come("oidc")
    assert (answer.status, visitor.is_signed_in) == (403, False), answer.text
    assert "believed" in answer.text
    assert SECRET not in answer.text
    assert town.run(find_user_with_password(town.house.database, "liar@example.com")) is None


def test_the_issuer_changes_its_key(town: World, fake: Fake) -> None:
    """A new key is read at the first token that it signs, and not again and again for one that there is not."""
    fake.be("rotated", "rotated@example.com")
    assert Visitor(town).come("oidc").status == 303
    town.house.issuers._keys.update({slug: (0.0, keys) for slug, (_, keys) in town.house.issuers._keys.items()})
    fake.keys = [Key("second"), fake.keys[0]]
    fake.signer = fake.keys[0]
    assert Visitor(town).come("oidc").status == 303
    before = fake.asked.count("/jwks")
    fake.signer = Key("invented")
    for _ in range(3):
        assert Visitor(town).come("oidc").status == 403
    assert fake.asked.count("/jwks") == before


@pytest.mark.parametrize("slug", SLUGS)
@pytest.mark.parametrize("verified", [False, None, "false", 1])
def test_an_address_that_nobody_verified(town: World, fake: Fake, slug: str, verified: Any) -> None:
    """It makes no user, though it is free."""
    fake.be("unproven", "unproven@example.com", verified=verified)
    answer = Visitor(town).come(slug)
    assert answer.status == 403
    assert "verify one" in answer.text
    assert town.run(find_user_with_password(town.house.database, "unproven@example.com")) is None


def test_an_address_from_userinfo(town: World, fake: Fake) -> None:
    """Where the id token has none; of the same person only."""
    fake.be("asked")
    fake.userinfo = {"sub": "another", "email": "asked@example.com", "email_verified": True}
    assert Visitor(town).come("oidc").status == 403
    fake.userinfo["sub"] = "asked"
    assert Visitor(town).come("oidc").status == 303
    assert town.run(find_user_with_password(town.house.database, "asked@example.com")) is not None


@pytest.mark.parametrize("slug", SLUGS)
def test_an_account_is_there_already(town: World, fake: Fake, slug: str) -> None:
    """An equal, verified e-mail address links nothing by itself; signed in, one links, and then comes in by it."""
    people, email = town.house.people, f"here-{slug}@example.com"
    user = town.run(people.sign_up(email, PASSWORD, "", town.house.gateway.now_ms()))
    fake.be(f"here-{slug}", email)
    visitor = Visitor(town)
    answer = visitor.come(slug)
    assert answer.status == 403
    assert "Sign in to it as you did before" in answer.text
    assert not visitor.is_signed_in
    assert town.run(identities_of(town.house.database, user.id)) == []
    page = visitor.submit(answer, "/sign-in", email=email, password=PASSWORD)
    assert (page.status, page.headers["location"]) == (303, "/account")
    account = visitor.get("/account")
    csrf = fields_of(account, f"/sign-in/{slug}")["csrf"]
    for wrong in ("", "x"):
        assert visitor.post(f"/sign-in/{slug}", csrf=wrong, link="1").status == 403
    assert visitor.post(f"/sign-in/{slug}", {"sec-fetch-site": "cross-site"}, csrf=csrf, link="1").status == 403
    going = visitor.post(f"/sign-in/{slug}", csrf=csrf, link="1")
    assert going.status == 200
    linked = visitor.get(back_from(url_of(going)))
    assert (linked.status, linked.headers["location"]) == (303, "/account")
    again = Visitor(town)
    assert again.come(slug).status == 303
    assert again.is_signed_in
    actions = [each.action for each in town.run(list_entries(town.house.database))]
    assert "identity.linked" in actions
    # Somebody else can't have it, too.
    town.run(people.sign_up(f"else-{slug}@example.com", PASSWORD, "", town.house.gateway.now_ms()))
    other = Visitor(town)
    other.submit(other.get("/sign-in"), "/sign-in", email=f"else-{slug}@example.com", password=PASSWORD)
    csrf = fields_of(other.get("/account"), f"/sign-in/{slug}")["csrf"]
    refused = other.get(back_from(url_of(other.post(f"/sign-in/{slug}", csrf=csrf, link="1"))))
    assert refused.status == 403


def url_of(going: Answer) -> str:
    """Where the page between the sites leads."""
    [url] = [each for each in going.text.split('"') if each.startswith("http")][:1]
    assert going.text.count(url) == 2
    return url.replace("&amp;", "&")


def test_linking_ends_with_the_session(town: World, fake: Fake) -> None:
    """Who signs out while away links nothing; nor does a session older than 15 minutes begin to."""
    town.run(town.house.people.sign_up("away@example.com", PASSWORD, "", town.house.gateway.now_ms()))
    fake.be("away", "away@elsewhere.example")
    visitor = Visitor(town)
    visitor.submit(visitor.get("/sign-in"), "/sign-in", email="away@example.com", password=PASSWORD)
    csrf = fields_of(visitor.get("/account"), "/sign-in/oidc")["csrf"]
    link = back_from(url_of(visitor.post("/sign-in/oidc", csrf=csrf, link="1")))
    session = visitor.jar.pop("tollway")
    assert visitor.get(link).status == 403
    assert town.run(find_user_by_identity(town.house.database, fake.url, "away")) is None
    visitor.jar["tollway"] = session
    old = Statement("UPDATE sessions SET fresh_ms = fresh_ms - 960000", ({},))
    town.run(town.house.database.write(old))
    refused = visitor.post("/sign-in/oidc", csrf=csrf, link="1")
    assert refused.status == 403
    assert "last 15 minutes" in refused.text


@pytest.mark.parametrize("slug", SLUGS)
def test_a_disabled_user(town: World, fake: Fake, slug: str) -> None:
    """Does not come in, nor as somebody new."""
    fake.be(f"off-{slug}", f"off-{slug}@example.com")
    assert Visitor(town).come(slug).status == 303
    found = town.run(find_user_with_password(town.house.database, f"off-{slug}@example.com"))
    assert found is not None
    town.run(town.house.users.disable(OPERATOR, found[0].id, town.house.gateway.now_ms()))
    visitor = Visitor(town)
    answer = visitor.come(slug)
    assert (answer.status, visitor.is_signed_in) == (403, False)
    assert "disabled" in answer.text


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/auth\\x",
        "/nowhere",
        "javascript:x",
        "/auth%0D%0Ax",
    ],
)
def test_where_it_goes_on(town: World, fake: Fake, wanted: str) -> None:
    """To a page of ours that is on the list, and nowhere else."""
    fake.be("goes", "goes@example.com")
    answer = Visitor(town).come("oidc", f"?next={wanted}")
    assert (answer.status, answer.headers["location"]) == (303, "/overview")
    assert Visitor(town).come("oidc", "?next=%2Fauth%3Fx%3D1").headers["location"] == "/auth?x=1"


def test_what_the_issuer_refuses(town: World, fake: Fake) -> None:
    """Its error is not shown: it is a stranger's text. Another try is a click away."""
    visitor = Visitor(town)
    away = visitor.get("/sign-in/oidc")
    state = parse_qs(urlsplit(away.headers["location"]).query)["state"][0]
    answer = visitor.get(f"/sign-in/oidc/callback?state={state}&error=access_denied&error_description=%3Cb%3Ecall+me")
    assert answer.status == 403
    assert "did not let you in" in answer.text
    assert "call me" not in answer.text
    assert visitor.get("/sign-in/oidc/callback?state=a&state=b").status == 400
    assert visitor.get("/sign-in/nobody").status == 404
    assert visitor.get("/sign-in/nobody/callback").status == 404


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://elsewhere.example"},
        {"token_endpoint": "http://192.0.2.1/token"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": 7},
    ],
)
def test_a_discovery_that_is_none(town: World, fake: Fake, metadata: dict[str, Any]) -> None:
    """Another's name, or a place where no secret may go: nobody is sent anywhere."""
    issuers = town.house.issuers
    issuers._metadata.clear()
    fake.metadata = metadata
    try:
        assert Visitor(town).get("/sign-in/oidc").status == 503
    finally:
        issuers._metadata.clear()


def test_where_sign_up_is_not_open(fake: Fake) -> None:
    """By invitation: with its secret in the form; off: nobody new, while who is known still comes in."""
    fake.honest()
    with town_of(fake, "invite") as town:
        people, now_ms = town.house.people, town.house.gateway.now_ms()
        fake.be("guest", "guest@example.com")
        refused = Visitor(town).come("oidc")
        assert refused.status == 403
        assert "by invitation" in refused.text
        host = town.new_user("host", Role.OWNER)
        token = town.run(people.invite(OPERATOR, Welcome("guest@example.com", "home", Role.BILLING), now_ms))
        visitor = Visitor(town)
        going = visitor.submit(visitor.get("/join"), "/sign-up", token=token)
        assert going.status != 303
        going = visitor.post("/sign-in/oidc", token=token, next="/join")
        answer = visitor.get(back_from(url_of(going)))
        assert (answer.status, answer.headers["location"]) == (303, "/overview")
        found = town.run(find_user_with_password(town.house.database, "guest@example.com"))
        assert found is not None
        roles = {each.workspace_id: each.role for each in town.run(memberships_of(town.house.database, found[0].id))}
        assert roles["home"] is Role.BILLING
        assert host.id != found[0].id
        assert Visitor(town).come("oidc").status == 303
    with town_of(fake, "off") as town:
        answer = Visitor(town).come("github")
        assert answer.status == 403
        assert "switched off" in answer.text


def test_over_https(fake: Fake) -> None:
    """The cookie is for this host and https alone, whatever host a header names; so is where one comes back."""
    issuers = (Issuer("oidc", CLIENT, SECRET, "Example", fake.url),)
    server = Server(port=0, public_url="https://router.example")
    with world(server=server, settings={"users": Users("open", issuers=issuers)}) as town:
        answer = request(town.url, "GET", "/sign-in/oidc", headers={"x-forwarded-host": "evil.example"})
    [cookie] = answer.cookies
    name, *attributes = cookie.split("; ")
    assert name.startswith("__Host-tollway-sign-in=")
    assert {"HttpOnly", "Secure", "SameSite=lax", "Path=/", "Max-Age=600"} <= set(attributes)
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    assert query["redirect_uri"] == ["https://router.example/sign-in/oidc/callback"]
    assert query["scope"] == ["openid email profile"]
