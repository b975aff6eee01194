"""`/admin/v1`: what admins see of the whole server."""

from tests.support import World, request
from tollway.identity.actors import OPERATOR
from tollway.storage.keys import create_workspace


def test_the_audit_log_by_pages(well: World) -> None:
    """Newest first, each entry once, to the end; one workspace's alone; a `before` that is none is a 400."""
    headers = {"authorization": f"Bearer {well.house.control_token}"}
    well.run(create_workspace(well.house.database, "audited", "audited", 1))

    async def write() -> None:
        for number in range(101):
            await well.house.audit.write(OPERATOR, "test.done", str(number), now_ms=1, workspace_id="audited", n=number)

    well.run(write())
    first = request(well.url, "GET", "/admin/v1/audit-log?workspace_id=audited", headers=headers).json
    path = f"/admin/v1/audit-log?workspace_id=audited&before={first['next']}"
    second = request(well.url, "GET", path, headers=headers).json
    assert [each["target"] for each in first["data"] + second["data"]] == [str(n) for n in range(100, -1, -1)]
    assert (first["data"][0]["details"], first["data"][0]["actor"]) == ({"n": 100}, "operator")
    assert second["next"] is None
    for wrong in ("x", "-1", str(2**63)):
        assert request(well.url, "GET", f"/admin/v1/audit-log?before={wrong}", headers=headers).status == 400
