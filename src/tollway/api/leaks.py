"""`POST /api/v1/secret-scanning`: GitHub tells of keys in public code; `/account/v1/notices`: what owners are told."""

import base64
import hashlib
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from tollway.api.answers import actor, iso, json_answer
from tollway.api.house import House
from tollway.domain.errors import Forbidden, InvalidRequest, NotFound, PayloadTooLarge
from tollway.domain.leaks import Leak
from tollway.domain.people import Right
from tollway.storage.notices import find_notice, notices_for, put_away

PATH = "/api/v1/secret-scanning"
REPORT_MAX = 2 * 2**20
NOTICES_MAX = 100
_REPORT = msgspec.json.Decoder(Annotated[list[Leak], Meta(max_length=10_000)])


async def take_report(house: House, request: Request) -> Response:
    """For each text whether it is a key of ours (docs.github.com, "Secret scanning partner program").

    The answer names texts by their digest: a key that was leaked is in no answer either.
    """
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > REPORT_MAX:
            raise PayloadTooLarge("A report has at most 2 MB.")
        pieces.append(piece)
    body, headers = b"".join(pieces), request.headers
    key_id, signature = headers.get("github-public-key-identifier", ""), headers.get("github-public-key-signature", "")
    await house.scanners.check(body, key_id, signature)
    try:
        leaks = _REPORT.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(str(error)) from None
    now_ms = house.gateway.now_ms()
    return json_answer([_label(each, await house.leaks.take(each, now_ms)) for each in leaks])


def _label(leak: Leak, ours: bool) -> dict[str, str]:
    digest = hashlib.sha256(leak.token.encode("utf-8", "surrogatepass")).digest()
    return {
        "token_hash": base64.b64encode(digest).decode(),
        "token_type": leak.type,
        "label": "true_positive" if ours else "false_positive",
    }


async def list_notices(house: House, request: Request) -> Response:
    """What the user has to know and has not put away: of their own keys, and of workspaces that they manage."""
    who = actor(request)
    managed = [each for each in who.roles if who.may(Right.MANAGE, each)]
    found = await notices_for(house.database, who.user.id if who.user else "", managed, NOTICES_MAX)
    shown: list[dict[str, Any]] = [
        {"id": each.id, "workspace_id": each.workspace_id, "created_at": iso(each.created_ms), "text": each.text}
        for each in found
    ]
    return json_answer({"data": shown})


async def put_notice_away(house: House, request: Request) -> Response:
    """It has been read. NotFound: there is none, or it is for somebody else, which is the same."""
    who = actor(request)
    if who.user is None:
        raise Forbidden("This URL is for somebody who is signed in.")
    notice = await find_notice(house.database, request.path_params["id"])
    if notice is None or not (notice.user_id == who.user.id or who.may(Right.MANAGE, notice.workspace_id)):
        raise NotFound("There is no such notice.")
    now_ms = house.gateway.now_ms()
    await house.audit.write(
        who, "notice.read", notice.id, put_away(notice.id, now_ms), now_ms=now_ms, workspace_id=notice.workspace_id
    )
    return json_answer({"deleted": True})
