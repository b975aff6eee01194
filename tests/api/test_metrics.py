"""What /metrics says after requests: each answer of an inference URL is counted under its status."""

import pytest

from tests.support import World


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
