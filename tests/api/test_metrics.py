"""What /metrics says after requests: each answer of an inference URL is counted under its status."""

import pytest
from msgspec import structs

from tests.support import World
from tollway.config import Security


@pytest.mark.parametrize("path", ["/api/v1/chat/completions", "/v1/chat/completions"])
@pytest.mark.parametrize("stream", [False, True])
def test_answers_are_counted_by_status(well: World, path: str, stream: bool) -> None:
    """One good answer and one refusal: one more of each status, whole and streamed, on both storefronts."""

    def counted() -> dict[int, int]:
        lines = [line for line in well.request("GET", "/metrics").text.splitlines() if "responses_total{" in line]
        return {int(line.split('"')[1]): int(float(line.rsplit(" ", 1)[1])) for line in lines}

    before = counted()
    good, bad = well.chat(path, stream=stream), well.chat(path, model="nobody/none", stream=stream)
    after = counted()
    assert good.status == 200
    for status in (good.status, bad.status):
        assert after[status] == before.get(status, 0) + 1


def test_metrics_are_not_for_everybody(well: World) -> None:
    """On this machine without a token; through a proxy, or where a token is set, only with it."""
    assert well.request("GET", "/metrics").status == 200
    assert well.request("GET", "/metrics", headers={"X-Forwarded-For": "203.0.113.9"}).status == 401
    config = well.house.config
    try:
        well.house.config = structs.replace(config, security=Security(metrics_token="a-long-token"))
        assert well.request("GET", "/metrics").status == 401
        assert well.request("GET", "/metrics", headers={"Authorization": "Bearer wrong"}).status == 401
        assert well.request("GET", "/metrics", headers={"Authorization": "Bearer a-long-token"}).status == 200
    finally:
        well.house.config = config
