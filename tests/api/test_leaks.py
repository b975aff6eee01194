"""`POST /api/v1/secret-scanning`: reports of leaked keys, with real signatures; and what their owners are told."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support import Answer, Secret, World, request, world
from tollway.domain.leaks import SecretScanning, odd_scanning
from tollway.domain.people import Role
from tollway.identity.keys import new_secret
from tollway.storage.audit_log import Searched, list_entries
from tollway.storage.keys import delete_key

PATH = "/api/v1/secret-scanning"
OURS, LISTED, STRANGER = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
WIDE = ec.generate_private_key(ec.SECP384R1())
WHERE = "https://code.example/a/b/blob/main/.env"


def pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


class List(BaseHTTPRequestHandler):
    """A scanner's list of public keys."""

    asked = 0

    def do_GET(self) -> None:
        List.asked += 1
        keys = [{"key_identifier": "listed", "key": pem(LISTED), "is_current": True}]
        body = json.dumps({"public_keys": keys}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def scanned() -> Iterator[World]:
    """A server that believes one key by configuration, and one by a list."""
    listing = HTTPServer(("127.0.0.1", 0), List)
    thread = threading.Thread(target=listing.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{listing.server_port}/keys"
    settings = SecretScanning(url, {"ours": pem(OURS), "wide": pem(WIDE), "broken": "no key"})
    try:
        with world(settings={"leaks": settings}) as it:
            yield it
    finally:
        listing.shutdown()
        thread.join()
        listing.server_close()


def report(*tokens: str) -> bytes:
    found = [{"token": each, "type": "tollway_key", "url": WHERE, "source": "content"} for each in tokens]
    return json.dumps(found).encode()


def tell(
    world_: World,
    body: bytes,
    *,
    signed: bytes | None = None,
    by: ec.EllipticCurvePrivateKey = OURS,
    name: str | None = "ours",
    signature: str | None = None,
) -> Answer:
    """A report; `signed`: another body than is sent."""
    made = base64.b64encode(by.sign(body if signed is None else signed, ec.ECDSA(hashes.SHA256()))).decode()
    headers = {"github-public-key-signature": made if signature is None else signature}
    if name is not None:
        headers["github-public-key-identifier"] = name
    return request(world_.url, "POST", PATH, body, headers=headers)


def entries(world_: World, key: Secret) -> list[str]:
    found = world_.run(list_entries(world_.house.database, searched=Searched(target=key.key.id)))
    return [each.action for each in found]


def test_a_leaked_key_is_disabled_and_its_owner_told(scanned: World) -> None:
    """At once, with an entry and a notice for who made it and who manages the place; told again, nothing happens."""
    maker, boss = scanned.new_user("maker", Role.MEMBER, "leaky"), scanned.new_user("leaky-boss", Role.OWNER, "leaky")
    other = scanned.new_user("leaky-other", Role.MEMBER, "leaky")
    key, safe = scanned.new_key("leaky", credits_usd="1", creator=maker), scanned.new_key("leaky")
    assert scanned.chat(headers=key.headers).status == 200
    body = report(key.secret, new_secret(), "sk-or-v1-short", "", "no key at all", "é" * 300)
    answer = tell(scanned, body)
    assert answer.status == 200
    assert [each["label"] for each in answer.json] == ["true_positive"] + ["false_positive"] * 5
    assert answer.json[0]["token_hash"] == base64.b64encode(hashlib.sha256(key.secret.encode()).digest()).decode()
    assert answer.json[0]["token_type"] == "tollway_key"
    assert key.secret not in answer.text
    assert scanned.chat(headers=key.headers).status == 401
    assert scanned.chat(headers=safe.headers).status == 200
    assert entries(scanned, key) == ["key.leaked"]
    assert tell(scanned, body).json == answer.json, "a replay"
    assert entries(scanned, key) == ["key.leaked"]
    for user, seen in ((maker, 1), (boss, 1), (other, 0)):
        headers = scanned.signed_in(user)
        notices = request(scanned.url, "GET", "/account/v1/notices", headers=headers).json["data"]
        assert len(notices) == seen
        if seen:
            assert key.key.label in notices[0]["text"]
            assert WHERE in notices[0]["text"]
            assert key.secret not in notices[0]["text"]
    path = f"/account/v1/notices/{notices_of(scanned, boss)[0]['id']}"
    theirs = request(scanned.url, "DELETE", path, {}, headers=scanned.signed_in(other))
    nobodys = request(scanned.url, "DELETE", "/account/v1/notices/none", {}, headers=scanned.signed_in(other))
    assert theirs.status == nobodys.status == 404
    assert theirs.text == nobodys.text
    assert request(scanned.url, "DELETE", path, {}, headers=scanned.signed_in(maker)).status == 200
    assert notices_of(scanned, boss) == []


def notices_of(world_: World, user: Any) -> list[Any]:
    found: list[Any] = request(world_.url, "GET", "/account/v1/notices", headers=world_.signed_in(user)).json["data"]
    return found


def test_a_key_that_works_again_is_disabled_again(scanned: World) -> None:
    """Whoever enabled it meanwhile is told once more; one that was deleted is a true positive, and stays as it is."""
    key, gone = scanned.new_key("again"), scanned.new_key("again")
    owner = scanned.new_user("again-owner", Role.OWNER, "again")
    scanned.run(scanned.house.database.write(delete_key(gone.key.id, 1)))
    for times in (1, 2):
        assert [each["label"] for each in tell(scanned, report(key.secret, gone.secret)).json] == ["true_positive"] * 2
        assert scanned.request("GET", "/api/v1/key", headers=key.headers).status == 401
        assert len(notices_of(scanned, owner)) == times
        path = f"/account/v1/keys/{key.key.id}"
        back = request(scanned.url, "PATCH", path, {"disabled": False}, headers=scanned.signed_in(owner))
        assert back.status == 200
        assert scanned.request("GET", "/api/v1/key", headers=key.headers).status == 200
    assert entries(scanned, gone) == []


def test_answers_under_way_end(scanned: World) -> None:
    """A stream of the key ends in an error, as when it is disabled by hand."""
    key = scanned.new_key("streaming", credits_usd="1")
    scanned.script("test/model", "tokens=400,tokens_per_s=20")
    seen: list[Answer] = []
    under_way = threading.Thread(
        target=lambda: seen.append(scanned.chat(headers=key.headers, stream=True, max_tokens=400))
    )
    before = len(scanned.received)
    under_way.start()
    while len(scanned.received) == before:
        threading.Event().wait(0.02)
    assert tell(scanned, report(key.secret)).status == 200
    under_way.join(10)
    assert "revoked" in seen[0].text


def test_the_list_of_keys_is_read_once(scanned: World) -> None:
    """A signature by a key of the list is good; a name that is not in it does not make us read the list again."""
    before = List.asked
    for _ in range(3):
        assert tell(scanned, report(), by=LISTED, name="listed").json == []
        assert tell(scanned, report(), by=STRANGER, name="invented").status == 401
    assert List.asked - before <= 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"by": STRANGER},
        {"signed": b"[]"},
        {"signature": ""},
        {"signature": "!!!"},
        {"signature": base64.b64encode(b"x" * 70).decode()},
        {"name": None},
        {"name": "broken"},
        {"name": "wide", "by": WIDE},
        {"name": "listed"},
    ],
    ids=[
        "another key",
        "another body",
        "none",
        "no base64",
        "no DER",
        "no name",
        "broken key",
        "another curve",
        "another name",
    ],
)
def test_who_is_no_scanner_changes_nothing(scanned: World, wrong: dict[str, Any]) -> None:
    """Another's signature, one of another body, none, nonsense, a key of another curve: a 401, and the key works."""
    key = scanned.new_key("forged")
    answer = tell(scanned, report(key.secret), **wrong)
    assert (answer.status, entries(scanned, key)) == (401, [])
    assert key.secret not in answer.text
    assert scanned.request("GET", "/api/v1/key", headers=key.headers).status == 200


def test_what_is_no_report(scanned: World) -> None:
    """Signed nonsense is a 400, ten megabytes a 413 before anything is checked, another method a 405."""
    for body in (b"", b"{}", b"[", b'[{"type": "x"}]', b'[{"token": 5}]', b"\xff", b"[" * 100_000):
        assert tell(scanned, body).status == 400, body[:20]
    assert tell(scanned, b" " * 10_000_000).status == 413
    assert request(scanned.url, "GET", PATH).status == 405


def test_it_is_not_there_unless_configured(well: World) -> None:
    """Without a list and without keys nobody could be believed."""
    assert tell(well, report()).status == 404
    assert list(odd_scanning(SecretScanning())) == []
    assert list(odd_scanning(SecretScanning("https://a.example/keys", {"a": pem(OURS)}))) == []
    assert len(list(odd_scanning(SecretScanning("http://a.example/keys", {"a": "none"})))) == 2
