"""Public rankings of apps: sites by their tokens, and none of a workspace that opted out."""

from typing import Any

import pytest

from tests.sdks import openrouter
from tests.storage.ledgers import DAY_MS, generation
from tests.support import Secret, World, request
from tollway.domain.generation import Usage
from tollway.domain.identity import KeyKind
from tollway.domain.people import Role
from tollway.gateway.rankings import Rankings
from tollway.storage.ledger import commit_generations


def ranking(world: World, monkeypatch: pytest.MonkeyPatch, query: str = "") -> list[tuple[int, str, str]]:
    """Read anew, not as it was ten minutes ago."""
    house = world.house
    monkeypatch.setattr(house, "rankings", Rankings(house.database, house.audit, house.gateway.now_ms))
    answer = world.request("GET", f"/api/v1/datasets/app-rankings{query}")
    assert answer.status == 200
    return [(each["rank"], each["app_name"], each["total_tokens"]) for each in answer.json["data"]]


def test_apps(well: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """By tokens of complete days; local programs are not shown; opting out takes a workspace's part away at once."""
    manager: Secret = well.new_key("ranked", kind=KeyKind.PROVISIONING, prefix="sk-or-prov-v1-")
    other = well.new_key("ranked-too")
    at = well.house.gateway.now_ms() - DAY_MS
    uses: list[tuple[Secret, str | None, str | None, int, int]] = [
        (manager, "https://one.example/secret-page", "One", at, 50),
        (other, "https://one.example/", "Another name", at, 20),
        (other, "https://two.example:8080", None, at, 60),
        (other, "http://localhost:3000", "Local", at, 900),
        (other, None, "Nameless", at, 900),
        (other, "https://today.example", None, at + DAY_MS, 900),
        (other, "https://old.example", None, at - 31 * DAY_MS, 900),
    ]
    made = [
        generation(
            f"ranked-{n}", key.key, http_referer=url, app_title=title, created_ms=when, usage=Usage(prompt=tokens)
        )
        for n, (key, url, title, when, tokens) in enumerate(uses)
    ]
    well.run(commit_generations(well.house.database, made))
    assert ranking(well, monkeypatch) == [(1, "One", "70"), (2, "two.example:8080", "60")]
    assert ranking(well, monkeypatch, "?offset=1&limit=5") == [(2, "two.example:8080", "60")]
    shown = well.request("GET", "/api/v1/datasets/app-rankings")
    assert "secret-page" not in shown.text
    with openrouter(well) as client:
        read = client.datasets.get_app_rankings(limit=1)
        assert read is not None
        assert read.result.data[0].total_requests == 2

    def part(method: str, body: Any = None, query: str = "", key: Secret = manager) -> Any:
        return request(well.url, method, f"/api/v1/rankings{query}", body, headers=key.headers)

    assert part("PATCH", {"ranked": False}).json == {"data": {"workspace_id": "ranked", "ranked": False}}
    assert part("GET").json["data"]["ranked"] is False
    assert ranking(well, monkeypatch) == [(1, "two.example:8080", "60"), (2, "One", "20")]
    assert part("PATCH", {"ranked": True}).status == 200
    assert ranking(well, monkeypatch)[0] == (1, "One", "70")
    for body in ({}, {"ranked": "no"}, {"ranked": True, "more": 1}):
        assert part("PATCH", body).status == 400
    assert part("PATCH", {"ranked": False, "workspace_id": "ranked-too"}).status == 404
    assert part("GET", query="?workspace_id=ranked-too").status == 404


@pytest.mark.parametrize("query", ["sort=trending", "category=coding", "start_date=2025-01-01", "limit=0", "offset=x"])
def test_bad_queries(well: World, query: str) -> None:
    """What is not built is a 400, not another ranking than was asked for."""
    answer = well.request("GET", f"/api/v1/datasets/app-rankings?{query}")
    assert answer.status == 400
    assert query.partition("=")[0] in answer.error["message"]


def test_roles(well: World) -> None:
    """Who manages a workspace decides; its members see what was decided."""
    for role, status in ((Role.MEMBER, 403), (Role.BILLING, 403), (Role.ADMIN, 200)):
        headers = well.signed_in(well.new_user(f"ranks-{role.value}", role, "rank-team"))
        url = "/account/v1/rankings"
        assert (
            request(well.url, "PATCH", url, {"ranked": False, "workspace_id": "rank-team"}, headers=headers).status
            == status
        )
        assert request(well.url, "GET", url, headers=headers).json["data"]["ranked"] is (status != 200)


def test_uses_of_a_time(well: World) -> None:
    """Models and providers have the same tokens in all, those of the models' own sums; read once in ten minutes."""
    assert well.chat().status == 200
    well.settled()
    house = well.house
    fresh = Rankings(house.database, house.audit, house.gateway.now_ms)
    uses = well.run(fresh.uses(1))
    assert uses.models["test/model"] > 0
    assert uses.providers["a"] >= uses.models["test/model"]
    assert sum(uses.models.values()) == sum(uses.providers.values())
    assert well.run(fresh.uses(8)).models == well.run(fresh.models())  # a week, and today
    assert well.chat().status == 200
    well.settled()
    assert well.run(fresh.uses(1)) is uses
