"""Public rankings of apps: sites by their tokens, and none of a workspace that opted out."""

from typing import Any

import pytest

from tests.api.browsing import Browser
from tests.sdks import openrouter
from tests.storage.ledgers import DAY_MS, generation
from tests.support import Secret, World, request
from tollway.domain.generation import Usage
from tollway.domain.identity import KeyKind
from tollway.domain.people import Role
from tollway.gateway.rankings import Rankings
from tollway.storage.ledger import commit_generations
from tollway.storage.usage_days import Use, days_of_model, is_ranked


def ranking(world: World, monkeypatch: pytest.MonkeyPatch, query: str = "") -> list[tuple[int, str, str]]:
    """Read anew, not as it was ten minutes ago."""
    house = world.house
    monkeypatch.setattr(house, "rankings", Rankings(house.database, house.audit, house.gateway.now_ms))
    answer = world.request("GET", f"/api/v1/datasets/app-rankings{query}")
    assert answer.status == 200
    return [(each["rank"], each["app_name"], each["total_tokens"]) for each in answer.json["data"]]


def test_apps(well: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """By tokens of complete days; local programs are not shown; opting out takes a workspace's part away at once.

    What fewer than three keys used is nobody else's business.
    """
    manager: Secret = well.new_key("ranked", kind=KeyKind.PROVISIONING, prefix="sk-or-prov-v1-")
    other, third, fourth = (well.new_key("ranked-too") for _ in range(3))
    at = well.house.gateway.now_ms() - DAY_MS
    uses: list[tuple[Secret, str | None, str | None, int, int]] = [
        (manager, "https://one.example/secret-page", "One", at, 50),
        *((key, "https://one.example/", "Another name", at, 10) for key in (other, third, fourth)),
        *((key, "https://two.example:8080", None, at, 25) for key in (other, third, fourth)),
        *((key, "https://of-two-keys.example", None, at, 900) for key in (other, third)),
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
    assert ranking(well, monkeypatch) == [(1, "One", "80"), (2, "two.example:8080", "75")]
    assert ranking(well, monkeypatch, "?offset=1&limit=5") == [(2, "two.example:8080", "75")]
    shown = well.request("GET", "/api/v1/datasets/app-rankings")
    assert "secret-page" not in shown.text
    with openrouter(well) as client:
        read = client.datasets.get_app_rankings(limit=1)
        assert read is not None
        assert read.result.data[0].total_requests == 4

    def part(method: str, body: Any = None, query: str = "", key: Secret = manager) -> Any:
        return request(well.url, method, f"/api/v1/rankings{query}", body, headers=key.headers)

    assert part("PATCH", {"ranked": False}).json == {"data": {"workspace_id": "ranked", "ranked": False}}
    assert part("GET").json["data"]["ranked"] is False
    assert ranking(well, monkeypatch) == [(1, "two.example:8080", "75"), (2, "One", "30")]
    assert part("PATCH", {"ranked": True}).status == 200
    assert ranking(well, monkeypatch)[0] == (1, "One", "80")
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
    """Models and providers that three keys used, by tokens and requests; read once in ten minutes."""
    house = well.house
    keys = [well.new_key(f"using-{number}") for number in range(3)]
    at = house.gateway.now_ms() - 40 * DAY_MS

    def used(name: str, model: str, whose: list[Secret]) -> None:
        made = [
            generation(
                f"{name}-{number}", key.key, created_ms=at, model=model, usage=Usage(prompt=7), endpoint_id="a:some/one"
            )
            for number, key in enumerate(whose)
        ]
        well.run(commit_generations(house.database, made))

    used("shared", "some/one", keys)
    used("private", "some/secret", keys[:2])
    fresh = Rankings(house.database, house.audit, house.gateway.now_ms)
    uses = well.run(fresh.uses(1, 40))
    assert uses.models == {"some/one": Use(21, 3)}
    assert uses.providers == {"a": Use(35, 5)}
    assert well.run(fresh.uses(1, 40)) is uses
    used("again", "some/one", keys)
    assert well.run(fresh.uses(1, 40)) is uses
    assert well.run(fresh.uses(2, 41)).models == {}
    first, last = at // DAY_MS - 3, at // DAY_MS
    assert well.run(days_of_model(house.database, "some/one", first, last))[last].requests == 6
    assert well.run(days_of_model(house.database, "some/secret", first, last)) == {}


def test_a_workspace_stays_out_on_its_page(well: World) -> None:
    """A switch on /preferences for who manages it; others see it, and another tenant does not."""
    owner = Browser(well)
    owner.cookie = well.signed_in(well.new_user("page-owner", Role.OWNER, "page-ranked"))["cookie"]
    path = "/preferences?workspace=page-ranked"
    assert owner.submit(owner.get(path), "/preferences/ranked", ranked="no").status == 303
    assert not well.run(is_ranked(well.house.database, "page-ranked"))
    assert 'value="no" checked' in owner.get(path).text
    assert owner.submit(owner.get(path), "/preferences/ranked", ranked="perhaps").status == 400
    assert owner.submit(owner.get(path), "/preferences/ranked", ranked="yes").status == 303
    assert well.run(is_ranked(well.house.database, "page-ranked"))
    member = Browser(well)
    member.cookie = well.signed_in(well.new_user("page-member", Role.MEMBER, "page-ranked"))["cookie"]
    assert member.submit(member.get(path), "/preferences/ranked", ranked="no").status == 403
    stranger = Browser(well)
    stranger.cookie = well.signed_in(well.new_user("page-stranger", Role.OWNER, "page-elsewhere"))["cookie"]
    page = stranger.get("/preferences?workspace=page-elsewhere")
    sent = stranger.submit(page, "/preferences/ranked", ranked="no", workspace_id="page-ranked")
    assert sent.status == 404
