"""The OAuth flow by its two URLs: what an app gets for a code, and all the ways in which it gets nothing (S-T7)."""

import re
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct, structs
from openrouter import errors

from tests.sdks import openrouter
from tests.support import Answer, Secret, World, absent, request, shared, world
from tollway.config import Server
from tollway.domain.identity import KeyKind
from tollway.domain.people import Role, User
from tollway.gateway.oauth_desk import CARRIED_MS, REDIRECTED_MS, OAuthDesk
from tollway.identity.oauth import WRONG_CODE, s256
from tollway.limits.gcra import Buckets
from tollway.storage.audit_log import list_entries
from tollway.storage.database import Statement
from tollway.storage.keys import delete_key
from tollway.storage.members import delete_workspace, remove_member
from tollway.storage.users import set_user

VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CALLBACK = "https://app.example/cb"
S256 = {"code_challenge": s256(VERIFIER), "code_challenge_method": "S256"}
PLAIN = {"code_challenge": VERIFIER, "code_challenge_method": "plain"}
PROVISIONING = {"kind": KeyKind.PROVISIONING, "prefix": "sk-or-prov-v1-"}


@pytest.fixture(autouse=True)
def patient(well: World) -> None:
    """Tests exchange more codes than ten a minute."""
    well.house.oauth.tries = Buckets()


@pytest.fixture(scope="module")
def user(well: World) -> User:
    found = well.new_user("consents", Role.OWNER, "consenting")
    well.run(well.stage.grant("consenting", "10"))
    return found


def ask(well: World, user: User, **fields: Any) -> Answer:
    """A code in a user's name, as their consent gives it."""
    body = {"callback_url": CALLBACK, **fields}
    return request(well.url, "POST", "/account/v1/auth/keys/code", body, headers=well.signed_in(user))


def code_of(well: World, user: User, **fields: Any) -> str:
    answer = ask(well, user, **fields)
    assert answer.status == 200, answer.text
    return str(answer.json["data"]["id"])


def exchange(well: World, code: Any, **fields: Any) -> Answer:
    return request(well.url, "POST", "/api/v1/auth/keys", {"code": code, **fields})


def works(well: World, secret: str) -> bool:
    status = well.chat(headers={"authorization": f"Bearer {secret}"}).status
    assert status in (200, 401)
    return status == 200


class Case(Struct, frozen=True):
    """What a code is asked for with, and what the app sends: the status, and a word of the reason."""

    asked: dict[str, Any]
    sent: dict[str, Any]
    status: int
    says: str = ""


OTHER = "x" * 43
METHOD = "code_challenge_method"
EXCHANGES = {
    "S256": Case(S256, {"code_verifier": VERIFIER}, 200),
    "S256, said": Case(S256, {"code_verifier": VERIFIER, METHOD: "S256"}, 200),
    "plain": Case(PLAIN, {"code_verifier": VERIFIER}, 200),
    "plain, said": Case(PLAIN, {"code_verifier": VERIFIER, METHOD: "plain"}, 200),
    "plain by default": Case({"code_challenge": VERIFIER}, {"code_verifier": VERIFIER, METHOD: "plain"}, 200),
    "none": Case({}, {}, 200),
    "none, said as null": Case({}, {"code_verifier": None, METHOD: None}, 200),
    "downgrade: S256 without a verifier": Case(S256, {}, 403, WRONG_CODE),
    "downgrade: plain without a verifier": Case(PLAIN, {}, 403, WRONG_CODE),
    "downgrade: a verifier for none": Case({}, {"code_verifier": VERIFIER}, 403, WRONG_CODE),
    "downgrade: an empty verifier for none": Case({}, {"code_verifier": ""}, 403, WRONG_CODE),
    "downgrade: an empty verifier": Case(S256, {"code_verifier": ""}, 403, WRONG_CODE),
    "swap: S256 as plain": Case(S256, {"code_verifier": VERIFIER, METHOD: "plain"}, 400, METHOD),
    "swap: the challenge as plain": Case(S256, {"code_verifier": s256(VERIFIER), METHOD: "plain"}, 400, METHOD),
    "swap: plain as S256": Case(PLAIN, {"code_verifier": VERIFIER, METHOD: "S256"}, 400, METHOD),
    "swap: none as S256": Case({}, {"code_verifier": VERIFIER, METHOD: "S256"}, 400, METHOD),
    "the challenge as verifier": Case(S256, {"code_verifier": s256(VERIFIER)}, 403, WRONG_CODE),
    "the hash of a plain verifier": Case(PLAIN, {"code_verifier": s256(VERIFIER)}, 403, WRONG_CODE),
    "another verifier": Case(S256, {"code_verifier": OTHER}, 403, WRONG_CODE),
    "another plain verifier": Case(PLAIN, {"code_verifier": OTHER}, 403, WRONG_CODE),
    "a verifier that is too short": Case(S256, {"code_verifier": "short"}, 403, WRONG_CODE),
    "a verifier that is too long": Case(S256, {"code_verifier": "a" * 129}, 403, WRONG_CODE),
    "a verifier with a line break": Case(S256, {"code_verifier": f"{VERIFIER}\n"}, 403, WRONG_CODE),
    "a method that there is not": Case(S256, {"code_verifier": VERIFIER, METHOD: "S512"}, 400, METHOD),
    "a method of no string": Case(S256, {"code_verifier": VERIFIER, METHOD: 1}, 400, METHOD),
    "a verifier of no string": Case(S256, {"code_verifier": 1}, 400, "code_verifier"),
    "another code": Case(S256, {"code": "nonsense", "code_verifier": VERIFIER}, 403, WRONG_CODE),
    "an empty code": Case(S256, {"code": "", "code_verifier": VERIFIER}, 400, "code"),
    "no code": Case(S256, {"code": None, "code_verifier": VERIFIER}, 400, "code"),
    "a code of no string": Case(S256, {"code": ["x"], "code_verifier": VERIFIER}, 400, "code"),
}


@pytest.mark.parametrize("name", EXCHANGES)
def test_exchanges(well: World, user: User, name: str) -> None:
    """One key where the proof fits; else an error, after which the code still works for who has the proof."""
    case = EXCHANGES[name]
    code = code_of(well, user, **case.asked)
    answer = exchange(well, **{"code": code, **case.sent})
    assert answer.status == case.status, answer.text
    if case.status == 200:
        assert answer.json.keys() == {"key", "user_id"}
        assert answer.json["user_id"] == user.id
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["access-control-allow-origin"] == "*"
        assert works(well, answer.json["key"])
        return
    assert case.says in answer.error["message"]
    assert "sk-or-" not in answer.text
    right = {"code_verifier": VERIFIER} if case.asked else {}
    assert exchange(well, code, **right).status == 200


NAMES = ("callback_url", "code_challenge", METHOD, "limit", "expires_at", "key_label", "usage_limit_type")
BAD_CODES: dict[str, dict[str, Any]] = {
    "a user name in the callback": {"callback_url": "https://app.example@evil.example/"},
    "a backslash in the callback": {"callback_url": "https://app.example\\@evil.example/"},
    "a fragment in the callback": {"callback_url": "https://app.example/#x"},
    "plain http": {"callback_url": "http://app.example/"},
    "a host that begins like localhost": {"callback_url": "http://localhost.evil.example/"},
    "another scheme": {"callback_url": "javascript://app.example/%0aalert(1)"},
    "a code in the callback": {"callback_url": "https://app.example/?code=x"},
    "no callback": {"callback_url": None},
    "a method without a challenge": {METHOD: "S256"},
    "a challenge that does not fit": {"code_challenge": "x", METHOD: "S256"},
    "no such method": {"code_challenge": VERIFIER, METHOD: "none"},
    "a negative limit": {"limit": -1},
    "a reset without a limit": {"usage_limit_type": "daily"},
    "an expiry that is over": {"expires_at": "2020-01-01T00:00:00Z"},
    "a label that is too long": {"key_label": "x" * 101},
}


@pytest.mark.parametrize("name", BAD_CODES)
def test_bad_codes(well: World, user: User, name: str) -> None:
    """A 400 that names the field, before anybody consents to anything."""
    answer = ask(well, user, **BAD_CODES[name])
    assert answer.status == 400
    assert any(each in answer.error["message"] for each in (*NAMES, "limit_reset"))


def test_replay(well: World, user: User) -> None:
    """The second use of a code, with the proof or without, is refused and ends the key of the first."""
    code = key = ""
    for second in ({"code_verifier": VERIFIER}, {}, {"code_verifier": OTHER, METHOD: "plain"}):
        code = code_of(well, user, **S256)
        key = exchange(well, code, code_verifier=VERIFIER).json["key"]
        assert works(well, key)
        for _ in range(2):
            again = exchange(well, code, **second)
            assert (again.status, again.error["message"]) == (403, WRONG_CODE)
        assert not works(well, key)
    told = well.run(list_entries(well.house.database, workspace_id="consenting"))
    assert [each.action for each in told[:3]] == ["key.revoked", "key.created", "app.consented"]
    assert not any(key in each.details or code in each.details for each in told)


def test_two_exchanges_at_once(well: World, user: User) -> None:
    """Of several at once one gets a key, and as the code was used twice, it does not work."""
    code = code_of(well, user, **S256)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: exchange(well, code, code_verifier=VERIFIER), range(4)))
    assert sorted(each.status for each in answers) == [200, 403, 403, 403]
    [key] = [each.json["key"] for each in answers if each.status == 200]
    assert not works(well, key)


@pytest.mark.parametrize("late", [False, True])
def test_time(well: World, user: User, monkeypatch: pytest.MonkeyPatch, late: bool) -> None:
    """A code that a program asked for is good for 10 minutes, and not a moment longer; that a user carries, alike."""
    code = code_of(well, user, **S256)
    now_ms = well.house.gateway.now_ms
    moved = CARRIED_MS if late else CARRIED_MS - 5_000
    monkeypatch.setattr(well.house.gateway, "now_ms", lambda: now_ms() + moved)
    assert exchange(well, code, code_verifier=VERIFIER).status == (403 if late else 200)
    assert REDIRECTED_MS == 60_000


def test_in_whose_name(well: World, user: User) -> None:
    """Whatever credentials the app sends, the key is the consenting user's, with their limit, expiry and label."""
    other = well.new_user("other-consents", Role.OWNER, "elsewhere")
    soon = (datetime.now(UTC) + timedelta(hours=1)).replace(microsecond=0)
    fields = {"limit": 1.5, "usage_limit_type": "weekly", "key_label": "My App", "expires_at": soon.isoformat()}
    code = code_of(well, user, **S256, **fields)
    headers = {**well.signed_in(other), "authorization": f"Bearer {well.key.secret}"}
    body = {"code": code, "code_verifier": VERIFIER}
    got = request(well.url, "POST", "/api/v1/auth/keys", body, headers=headers)
    assert got.json["user_id"] == user.id
    key = request(well.url, "GET", "/api/v1/key", headers={"authorization": f"Bearer {got.json['key']}"}).json["data"]
    assert (key["limit"], key["limit_reset"], key["is_provisioning_key"]) == (1.5, "weekly", False)
    mine = request(well.url, "GET", "/account/v1/keys", headers=well.signed_in(user)).json["data"]
    [listed] = [each for each in mine if each["name"] == "My App"]
    assert listed["workspace_id"] == "consenting"
    assert datetime.fromisoformat(listed["expires_at"]) == soon
    assert request(well.url, "GET", "/account/v1/keys", headers=well.signed_in(other)).json["data"] == []
    code_of(well, user, workspace_id="consenting")
    for workspace in ("elsewhere", "none-such"):
        assert ask(well, user, workspace_id=workspace).status == 404


def test_who_is_gone(well: World) -> None:
    """After consenting the user left the workspace or was disabled, the workspace or the key that asked deleted."""
    changes: dict[str, Callable[[User], Statement]] = {
        "leaver": lambda user: remove_member("leaving", user.id),
        "disabled": lambda user: set_user(structs.replace(user, disabled=True)),
    }
    for name, change in changes.items():
        user = well.new_user(f"gone-{name}", Role.MEMBER, "leaving")
        code = code_of(well, user, **S256)
        well.run(well.house.database.write(change(user)))
        assert exchange(well, code, code_verifier=VERIFIER).error["message"] == WRONG_CODE
    user = well.new_user("gone-place", Role.OWNER, "gone")
    code = code_of(well, user, **S256)
    well.run(well.house.database.write(*delete_workspace("gone", 1)))
    assert exchange(well, code, code_verifier=VERIFIER).error["message"] == WRONG_CODE
    manager = well.new_key("leaving", **PROVISIONING)
    code = asked_by(well, manager).json["data"]["id"]
    well.run(well.house.database.write(delete_key(manager.key.id, 1)))
    assert exchange(well, code, code_verifier=VERIFIER).error["message"] == WRONG_CODE


def asked_by(well: World, manager: Secret) -> Answer:
    body = {"callback_url": CALLBACK, **S256}
    return request(well.url, "POST", "/api/v1/auth/keys/code", body, headers=manager.headers)


def test_who_may_consent(well: World) -> None:
    """Who may make no keys in a workspace can't consent to one there."""
    assert ask(well, well.new_user("pays-only", Role.BILLING, "leaving")).status == 403
    assert ask(well, well.new_user("nowhere")).status == 404


@pytest.mark.parametrize("allowed", ["S256", "plain", "none"])
def test_switches(well: World, user: User, monkeypatch: pytest.MonkeyPatch, allowed: Any) -> None:
    """`users.challenges`: each way can be the only one."""
    house = well.house
    desk = OAuthDesk(house.database, house.keys, house.audit, house.pepper, [allowed])
    monkeypatch.setattr(house, "oauth", desk)
    for method, fields in (("S256", S256), ("plain", PLAIN), ("none", {})):
        assert ask(well, user, **fields).status == (200 if method == allowed else 400), method


def test_ten_a_minute(well: World) -> None:
    """The eleventh exchange of an address waits, right or wrong; what is no exchange is not counted."""
    assert exchange(well, "").status == 400
    assert [exchange(well, "x").status for _ in range(11)] == [403] * 10 + [429]
    assert int(exchange(well, "x").headers["retry-after"]) > 0


def test_methods_and_https() -> None:
    """405 for anything but POST, and where a proxy says that the app came by plain http."""
    with world(server=Server(port=0, public_url="https://t.example", trusted_proxies=("127.0.0.1",))) as proxied:
        for said, status in (("https", 403), ("http", 405), ("https, http", 405), ("http, https", 403)):
            headers = {"x-forwarded-proto": said, "x-forwarded-for": "203.0.113.9"}
            body = {"code": "x"}
            answer = request(proxied.url, "POST", "/api/v1/auth/keys", body, headers=headers)
            assert answer.status == status, said
        assert request(proxied.url, "GET", "/api/v1/auth/keys").status == 405
        counted = [
            request(
                proxied.url, "POST", "/api/v1/auth/keys", {"code": "x"}, headers={"x-forwarded-for": f"203.0.113.{n}"}
            ).status
            for n in (9, 10)
            for _ in range(10)
        ]
        assert counted.count(429) == 2


@pytest.fixture
def manager(well: World) -> Secret:
    return well.new_key("managed-oauth", credits_usd="1", **PROVISIONING)


def test_the_official_sdk(well: World, manager: Secret) -> None:
    """openrouter 1.3: create_auth_code, exchange_auth_code_for_api_key, and its errors."""
    with openrouter(well, manager) as client:
        made = client.o_auth.create_auth_code(
            callback_url=CALLBACK, code_challenge=s256(VERIFIER), code_challenge_method="S256", limit=2.5
        )
        again = client.o_auth.create_auth_code(callback_url=CALLBACK)
        assert made.data.app_id == again.data.app_id > 0
        got = client.o_auth.exchange_auth_code_for_api_key(
            code=made.data.id, code_verifier=VERIFIER, code_challenge_method="S256"
        )
        assert works(well, got.key)
        assert got.user_id is None  # nobody's, but the workspace's: the operator made the provisioning key
        with pytest.raises(errors.ForbiddenResponseError):
            client.o_auth.exchange_auth_code_for_api_key(code=made.data.id, code_verifier=VERIFIER)
        assert not works(well, got.key)
        with pytest.raises(errors.BadRequestResponseError):
            client.o_auth.create_auth_code(callback_url="ftp://x")


def test_the_documented_program(well: World, user: User, tmp_path: Path) -> None:
    """The manual's own TypeScript, with host, code and verifier put in: makes a challenge, exchanges, gets a key."""
    node = shutil.which("node")
    if node is None:
        absent("node is not on this machine")
    text = next(shared("seeds").glob("003_*")).read_text()
    samples = dict(re.findall(r"```typescript title=\"([^\"]+)\"[^\n]*\n(.*?)\n *```", text, re.DOTALL))
    challenge = samples["Generate Code Challenge"].replace("your-random-string", VERIFIER)
    challenge = challenge.replace("input: string", "input")
    (tmp_path / "challenge.mjs").write_text(f"{challenge}\nconsole.log(generatedCodeChallenge);")
    code = code_of(well, user, code_challenge=run(node, tmp_path / "challenge.mjs"), code_challenge_method="S256")
    program = samples["Exchange Code"].replace("https://openrouter.ai", well.url)
    for hole, value in (
        ("CODE_FROM_QUERY_PARAM", code),
        ("CODE_VERIFIER", VERIFIER),
        ("CODE_CHALLENGE_METHOD", "S256"),
    ):
        program = program.replace(f"<{hole}>", value)
    (tmp_path / "exchange.mjs").write_text(f"{program}\nconsole.log(key);")
    assert works(well, run(node, tmp_path / "exchange.mjs"))


def run(node: str, file: Path) -> str:
    return subprocess.run([node, str(file)], capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def test_forty_cases(tell: Callable[[str], None]) -> None:
    """S-T7: what the tables of this file have, each a test over HTTP; those of callbacks are in tests/identity."""
    cases = len(EXCHANGES) + len(BAD_CODES)
    assert cases >= 40
    tell(f"PKCE: {cases} cases of exchanges and of codes that are asked for (S-T7 wants 40)")
