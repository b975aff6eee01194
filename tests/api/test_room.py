"""`POST /chat/completions`, the chat room's: a session and the proof of a page, and a key whose secret nobody has."""

from typing import Any

import pytest

from tests.support import Answer, World, ask, request
from tollway.domain.people import Role, User

URL = "/chat/completions"


@pytest.fixture(scope="module")
def talker(well: World) -> User:
    found = well.new_user("talker", Role.OWNER, "talkers")
    well.run(well.stage.grant("talkers", "10"))
    return found


def said(well: World, headers: dict[str, str], query: str = "", **fields: Any) -> Answer:
    return request(well.url, "POST", URL + query, ask(**fields), headers=headers)


def rooms(well: World, workspace: str) -> list[dict[str, Any]]:
    sql = """
    SELECT id, creator_user_id FROM keys
    WHERE workspace_id = :id AND name = 'Chat room' AND deleted_ms IS NULL
    """
    rows = well.run(well.house.database.read(sql, id=workspace))
    return [{"id": row[0], "creator": row[1]} for row in rows]


def test_who_is_signed_in_chats(well: World, talker: User) -> None:
    """Whole and streamed; their workspace pays; one key is made and stays; the trace is theirs to see."""
    headers = well.signed_in(talker)
    whole = said(well, headers)
    assert whole.status == 200
    assert whole.json["usage"]["cost"] > 0
    streamed = said(well, headers, stream=True)
    assert streamed.events[-1] == "[DONE]"
    well.settled()
    [room] = rooms(well, "talkers")
    assert room["creator"] == talker.id
    id_ = whole.json["id"]
    record = request(well.url, "GET", f"/account/v1/generation?id={id_}", headers=headers).json["data"]
    assert (record["origin"], record["workspace_id"], record["user_agent"]) == (URL, "talkers", None)
    trace = request(well.url, "GET", f"/account/v1/generations/{id_}/trace", headers=headers).json["data"]
    assert trace["candidates"]
    assert trace["attempts"][0]["outcome"] == "succeeded"


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"cookie": ""}, 401),
        ({"cookie": "tollway=nonsense"}, 401),
        ({"x-csrf-token": ""}, 403),
        ({"x-csrf-token": "0" * 32}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"content-type": "text/plain"}, 403),
        ({"cookie": "", "authorization": "Bearer sk-or-v1-x"}, 401),
    ],
)
def test_nobody_else_does(well: World, talker: User, changed: dict[str, str], status: int) -> None:
    """No session, no proof, another site's page, a key: refused in words, and no provider is asked."""
    before = len(well.received)
    answer = said(well, well.signed_in(talker) | changed)
    assert answer.status == status
    assert answer.error["message"]
    assert len(well.received) == before


def test_a_key_is_no_session(well: World) -> None:
    """The URL takes no key: it is for our pages."""
    assert (
        well.request("POST", URL, ask(), headers=well.key.headers | {"content-type": "application/json"}).status == 401
    )


def test_the_workspace_that_pays(well: World, talker: User) -> None:
    """One that the user is in; another's is a 404 like one that is not there; a member's role must allow it."""
    other = well.new_user("talker-other", Role.OWNER, "talkers-other")
    headers = well.signed_in(talker)
    assert said(well, headers, "?workspace=talkers").status == 200
    for strange in ("talkers-other", "nowhere", "..%2f"):
        assert said(well, headers, f"?workspace={strange}").status == 404
    assert said(well, well.signed_in(other)).status == 402, "no credits there"
    payer = well.new_user("talker-payer", Role.BILLING, "talkers-other")
    assert said(well, well.signed_in(payer), "?workspace=talkers-other").status == 403


def test_its_key_is_like_every_other(well: World, talker: User) -> None:
    """Switched off it answers 403 with the way to the page of keys; deleted, the next message makes another."""
    headers = well.signed_in(talker)
    assert said(well, headers).status == 200
    [room] = rooms(well, "talkers")
    url = f"/account/v1/keys/{room['id']}"
    assert request(well.url, "PATCH", url, {"disabled": True}, headers=headers).status == 200
    refused = said(well, headers)
    assert refused.status == 403
    assert 'Your key "Chat room" is switched off' in refused.error["message"]
    assert request(well.url, "PATCH", url, {"disabled": False, "limit": 0}, headers=headers).status == 200
    assert said(well, headers).status in (402, 403)
    assert request(well.url, "DELETE", url, headers=headers).status == 200
    assert said(well, headers).status == 200
    [anew] = rooms(well, "talkers")
    assert anew["id"] != room["id"]


def test_bad_bodies(well: World, talker: User) -> None:
    """A 400 with the field that is wrong; never a 500."""
    headers = well.signed_in(talker)
    for body in (b"", b"{", b"[]", b'{"messages": 1}'):
        assert request(well.url, "POST", URL, body, headers=headers).status == 400
    assert request(well.url, "GET", URL, headers={"accept": "application/json"}).status == 405
