"""`/health`, `/readyz` and `/metrics`: is the process alive, can it serve, what has it done."""

import hmac

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from tollway.api.house import House
from tollway.api.table import tells
from tollway.domain.errors import Unauthenticated
from tollway.storage.database import StorageError
from tollway.telemetry.metrics import prometheus_text


async def get_health(house: House, request: Request) -> Response:
    """The process is alive; nothing else is asked."""
    return Response(b'{"status":"ok"}', media_type="application/json")


async def get_ready(house: House, request: Request) -> Response:
    """Whether requests can be served: started, the database answers, at least one endpoint is live. Else 503."""
    checks = {"started": house.ready, "accepting": house.gateway.accepting, "ledger": house.committer.healthy}
    try:
        await house.database.read("SELECT 1")
        checks["database"] = True
    except StorageError:
        checks["database"] = False
    checks["endpoints"] = any(offer.live for offer in house.gateway.market.offers.values())
    status = 200 if all(checks.values()) else 503
    body = msgspec.json.encode({"status": "ready" if status == 200 else "not ready", "checks": checks})
    return Response(body, status, media_type="application/json")


@tells(media="text/plain", errors=(401,))
async def get_metrics(house: House, request: Request) -> Response:
    """Prometheus text, for who shows the token, or asks from this machine. No label names a key or a user."""
    _check_metrics(house.config.security.metrics_token, request)
    return Response(prometheus_text(house.gateway.metrics), headers={"content-type": CONTENT_TYPE_LATEST})


def _check_metrics(token: str | None, request: Request) -> None:
    """Unauthenticated: figures tell what a server earns. Behind a proxy everybody seems to be on this machine."""
    if token is not None:
        carried = request.headers.get("authorization", "").removeprefix("Bearer ")
        if hmac.compare_digest(carried.encode(), token.encode()):
            return
    elif (
        request.client is not None
        and request.client.host in LOOPBACK
        and not any(name in request.headers for name in FORWARDED)
    ):
        return
    raise Unauthenticated("/metrics wants security.metrics_token as a bearer token, or to be asked on its machine.")


LOOPBACK = frozenset({"127.0.0.1", "::1"})
FORWARDED = frozenset({"forwarded", "x-forwarded-for", "x-real-ip"})
