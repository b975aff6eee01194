"""`/api/v1/alerts` and the webhook: what keys that manage do, what is refused, and that another tenant sees nothing."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import Answer, World, offer, request, world
from tollway.domain.identity import KeyKind
from tollway.domain.mail import MailSettings
from tollway.domain.people import Role
from tollway.gateway.alert_desk import secret_of
from tollway.storage.alerts import find_hook
from tollway.storage.audit_log import list_entries

ALERTS, HOOK = "/api/v1/alerts", "/api/v1/alert-webhook"
BALANCE = {"kind": "balance", "amount_usd": 5, "by_mail": True}


@pytest.fixture(scope="module")
def town() -> Iterator[World]:
    mail = MailSettings(host="127.0.0.1", port=9, starttls=False, sender="tollway@example.net")
    with world(offer(), settings={"mail": mail}) as it:
        yield it


class Manager:
    """A key that manages a workspace, and who made it."""

    def __init__(self, town: World, place: str) -> None:
        self.town, self.place = town, place
        self.user = town.new_user(place, Role.OWNER, place)
        self.headers = town.new_key(place, kind=KeyKind.PROVISIONING, creator=self.user).headers

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        return request(self.town.url, method, path, body, headers=self.headers)

    def alerts(self) -> list[dict[str, Any]]:
        return list(self.ask("GET", ALERTS).json["data"])


@pytest.fixture(scope="module")
def senseless(town: World) -> Manager:
    return Manager(town, "senseless")


def test_each_kind(town: World) -> None:
    """Made as it was asked for, listed with the newest first, deleted; the amount is exact, and all is in the log."""
    manager = Manager(town, "kinds")
    key = town.new_key("kinds", limit_usd="10").key.id
    assert manager.ask("PUT", HOOK, {"url": "https://hook.example/a"}).status == 200
    spend = {"kind": "spend", "amount_usd": 12.5, "period": "weekly", "percents": [90, 50], "by_webhook": True}
    made = [
        manager.ask("POST", ALERTS, {"kind": "balance", "amount_usd": "0.123456789", "by_mail": True}),
        manager.ask("POST", ALERTS, spend),
        manager.ask("POST", ALERTS, {"kind": "key", "api_key_hash": key, "by_webhook": True}),
    ]
    assert [each.status for each in made] == [201] * 3, [each.text for each in made]
    of_key, weekly, balance = manager.alerts()
    assert (balance["amount_usd"], balance["by_mail"], balance["period"]) == (0.123456789, True, None)
    assert (weekly["amount_usd"], weekly["period"], weekly["percents"]) == (12.5, "weekly", [50, 90])
    assert (of_key["api_key_hash"], of_key["percents"], of_key["amount_usd"]) == (key, [50, 80, 100], None)
    assert made[2].json["data"] == of_key
    for each in (of_key, weekly, balance):
        assert manager.ask("DELETE", f"{ALERTS}/{each['id']}", {}).json == {"deleted": True}
        assert manager.ask("DELETE", f"{ALERTS}/{each['id']}", {}).status == 404
    assert manager.alerts() == []
    entries = [each.action for each in town.run(list_entries(town.house.database)) if each.workspace_id == "kinds"]
    assert entries.count("alert.created") == entries.count("alert.deleted") == 3


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"by_mail": False}, "how you are told"),
        ({"by_webhook": True}, "where webhooks go"),
        ({"amount_usd": 0}, "more than $0"),
        ({"amount_usd": -1}, "more than $0"),
        ({"amount_usd": "0.0000000001"}, "nanodollar"),
        ({"amount_usd": 1e30}, "too large"),
        ({"amount_usd": "1e300000"}, "mount"),
        ({"amount_usd": "1e999995"}, "mount"),
        ({"amount_usd": "NaN"}, "mount"),
        ({"amount_usd": "x"}, "amount_usd"),
        ({"amount_usd": None}, "amount"),
        ({"kind": "spend"}, "time that spend"),
        ({"kind": "spend", "period": "yearly"}, "period"),
        ({"kind": "key", "percents": [0]}, "Percents"),
        ({"kind": "key", "percents": list(range(1, 12))}, "Percents"),
        ({"kind": "moon"}, "kind"),
        ({"more": 1}, "more"),
        ({"workspace_id": 5}, "workspace_id"),
    ],
    ids=str,
)
def test_what_makes_no_sense(senseless: Manager, fields: dict[str, Any], words: str) -> None:
    """A 400 that says what is wrong, and nothing is made."""
    answer = senseless.ask("POST", ALERTS, {**BALANCE, **fields})
    assert (answer.status, words in answer.text) == (400, True), answer.text
    assert senseless.alerts() == []


def test_the_webhook(town: World) -> None:
    """Its secret is shown once and is another with each URL; gone, it is a 404; no URL is a 400."""
    manager = Manager(town, "hooked")
    assert manager.ask("GET", HOOK).status == 404
    first = manager.ask("PUT", HOOK, {"url": "https://hook.example/a"}).json["data"]
    second = manager.ask("PUT", HOOK, {"url": "https://hook.example/b"}).json["data"]
    hook = town.run(find_hook(town.house.database, "hooked"))
    assert hook is not None
    assert (second["url"], second["secret"]) == ("https://hook.example/b", secret_of(town.house.pepper, hook.id))
    assert first["secret"] != second["secret"]
    shown = manager.ask("GET", HOOK)
    assert (shown.json["data"]["url"], second["secret"] in shown.text) == ("https://hook.example/b", False)
    for url in ("", "ftp://x.example/", "https://a:b@x.example/", "https://" + "x" * 1001):
        assert manager.ask("PUT", HOOK, {"url": url}).status == 400
    assert manager.ask("DELETE", HOOK, {}).json == {"deleted": True}
    assert manager.ask("GET", HOOK).status == 404
    assert manager.ask("DELETE", HOOK, {}).status == 200


def test_others(town: World) -> None:
    """Another tenant's alerts, webhook and keys are like absent ones; who may not pay is refused."""
    ours, theirs = Manager(town, "ours"), Manager(town, "theirs")
    rule = ours.ask("POST", ALERTS, BALANCE).json["data"]["id"]
    ours.ask("PUT", HOOK, {"url": "https://hook.example/a"})
    for method, path, body in (
        ("GET", f"{ALERTS}?workspace_id=ours", None),
        ("POST", ALERTS, {**BALANCE, "workspace_id": "ours"}),
        ("DELETE", f"{ALERTS}/{rule}", {}),
        ("GET", f"{HOOK}?workspace_id=ours", None),
        ("PUT", HOOK, {"url": "https://x.example", "workspace_id": "ours"}),
        ("DELETE", f"{HOOK}?workspace_id=ours", {}),
        ("POST", ALERTS, {"kind": "key", "api_key_hash": town.new_key("ours").key.id, "by_mail": True}),
    ):
        assert theirs.ask(method, path, body).status == 404, (method, path)
    assert [each["id"] for each in ours.alerts()] == [rule]
    member = town.signed_in(town.new_user("plain", Role.MEMBER, "ours"))
    assert request(town.url, "GET", "/account/v1/alerts?workspace_id=ours", headers=member).status == 403
    payer = town.signed_in(town.new_user("payer", Role.BILLING, "ours"))
    body = {**BALANCE, "workspace_id": "ours"}
    assert request(town.url, "POST", "/account/v1/alerts", body, headers=payer).status == 201


def test_a_key_of_nobody(town: World) -> None:
    """One that no user made has nobody to write to, and says so; it may see and delete."""
    nobody = town.new_key("nobodys", kind=KeyKind.PROVISIONING).headers
    answer = request(town.url, "POST", ALERTS, BALANCE, headers=nobody)
    assert (answer.status, "made by people" in answer.text) == (400, True)
    assert request(town.url, "GET", ALERTS, headers=nobody).json == {"data": []}


def test_without_mail() -> None:
    """Where no mail is set up, nobody is promised any."""
    with world(offer()) as it:
        answer = Manager(it, "mute").ask("POST", ALERTS, BALANCE)
        assert (answer.status, "mail is not set up" in answer.text) == (400, True)
