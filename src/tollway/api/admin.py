"""`/admin/v1/...`: for admins who signed in lately, and for the command line."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tollway.api.answers import iso, json_answer
from tollway.api.house import House
from tollway.domain.errors import InvalidRequest
from tollway.storage.audit_log import list_entries

PAGE = 100


async def list_audit_log(house: House, request: Request) -> Response:
    """100 entries, the newest first; `before` a number, which `next` tells; `workspace_id`: of one workspace."""
    asked = request.query_params
    text = asked.get("before", str(2**62))
    if not (text.isdecimal() and text.isascii() and len(text) <= 19 and int(text) <= 2**62):
        raise InvalidRequest("before: the number of an entry", param="before")
    workspace_id = asked.get("workspace_id")
    found = await list_entries(house.database, before=int(text), workspace_id=workspace_id, limit=PAGE)
    shown = [
        {
            "number": each.number,
            "created_at": iso(each.created_ms),
            "actor": each.actor,
            "action": each.action,
            "workspace_id": each.workspace_id,
            "target": each.target,
            "details": msgspec.Raw(each.details.encode()),
            "chain": each.chain,
        }
        for each in found
    ]
    return json_answer({"data": shown, "next": found[-1].number if len(found) == PAGE else None})
