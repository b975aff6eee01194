"""Rotating a key: two secrets for a while, one purse; a limit neither starts anew nor counts twice."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.api.browsing import Browser
from tests.api.test_keys_page import id_of, secret_of
from tests.api.test_privacy_page import form_of
from tests.api.test_workspace_page import browser_of
from tests.support import Answer, Secret, World, request
from tollway.domain.errors import Forbidden, NotFound
from tollway.domain.identity import KeyKind, LimitReset
from tollway.domain.leaks import Leak
from tollway.domain.money import nanodollars_from_text
from tollway.domain.people import Role, User
from tollway.gateway.key_desk import ChangedKey
from tollway.identity.actors import OPERATOR, actor_of_key
from tollway.identity.keys import renew_secret
from tollway.storage.audit import audit_ledger
from tollway.storage.database import ConflictError, Statement
from tollway.storage.keys import spent_by_day
from tollway.storage.rotated_secrets import rotate_secret

HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def owner(well: World) -> User:
    found = well.new_user("rot-owner", Role.OWNER, "rot-home")
    well.run(well.stage.grant("rot-home", "10"))
    return found


def rotate(well: World, key: Secret, overlap_ms: int) -> Secret:
    """The same key, with its new secret."""
    now_ms = well.house.gateway.now_ms()
    found, secret = well.run(well.house.keys.rotate(OPERATOR, key.key.id, overlap_ms, now_ms))
    assert found.id == key.key.id
    return Secret(found, secret)


def change(well: World, key: Secret, **fields: object) -> None:
    ask, now_ms = ChangedKey(**fields), well.house.gateway.now_ms()  # type: ignore[arg-type]  # checked by the desk
    well.run(well.house.keys.change(OPERATOR, key.key.id, ask, now_ms))


def chat(well: World, key: Secret) -> Answer:
    return well.chat(headers=key.headers, max_tokens=20)


def spent(well: World, key: Secret) -> int:
    well.settled()
    return sum(each.spent for each in well.run(spent_by_day(well.house.database, key.key.id)))


def told(well: World, key: Secret) -> dict[str, float]:
    found: dict[str, float] = request(well.url, "GET", "/api/v1/key", headers=key.headers).json["data"]
    return found


def end_of(well: World, key: Secret, until_ms: int) -> None:
    """Old secrets work until then, as if time had passed; whoever has the key in memory reads it again."""
    sql = "UPDATE rotated_secrets SET until_ms = :until_ms WHERE key_id = :id"
    well.run(well.house.database.write(Statement(sql, ({"id": key.key.id, "until_ms": until_ms},))))
    well.call(well.house.authenticator.forget_workspace, key.key.workspace_id)


@pytest.mark.parametrize("overlap_ms", [0, HOUR_MS])
def test_what_was_spent_goes_on_counting(well: World, owner: User, overlap_ms: int) -> None:
    """A rotation gives no new limit, whichever secret asks afterwards, and takes none away."""
    old = well.new_key("rot-home", limit_usd="0.05", limit_reset=LimitReset.MONTHLY)
    assert chat(well, old).status == 200
    before, said = spent(well, old), told(well, old)
    assert before > 0
    new = rotate(well, old, overlap_ms)
    for name in ("limit", "limit_remaining", "usage", "usage_daily", "limit_reset"):
        assert told(well, new)[name] == said[name], name
    secrets = [new] if overlap_ms == 0 else [old, new]
    for each in secrets:
        answer = chat(well, each)
        assert answer.status == 200
        before += nanodollars_from_text(f"{answer.json['usage']['cost']:.12f}")
        assert spent(well, new) == before
        assert nanodollars_from_text(f"{told(well, each)['limit_remaining']:.12f}") == 50_000_000 - before
    assert chat(well, old).status == (200 if overlap_ms else 401)


def test_two_secrets_can_not_spend_the_limit_twice(well: World, owner: User) -> None:
    """Many requests at once with both secrets of a key stay within its one limit, and are charged as they say."""
    old = well.new_key("rot-home", limit_usd="0.0006")
    new = rotate(well, old, HOUR_MS)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: chat(well, (old, new)[number % 2]), range(60)))
    costs = [nanodollars_from_text(f"{each.json['usage']['cost']:.12f}") for each in answers if each.status == 200]
    assert 0 < len(costs) < len(answers), "the limit is reached"
    assert {each.status for each in answers} <= {200, 402, 403}, {each.text for each in answers}
    assert sum(costs) == spent(well, new) <= 600_000
    assert [chat(well, each).status in (402, 403) for each in (old, new)] == [True, True]
    assert [each for each in well.run(audit_ledger(well.house.database)) if each.broken] == []


def test_rotated_under_load(well: World, owner: User) -> None:
    """Rotated again and again while it is used: every request that was answered was counted, once."""
    key = well.new_key("rot-home", limit_usd="5")
    secrets = [key]

    def ask(number: int) -> Answer:
        return chat(well, secrets[-1])

    with ThreadPoolExecutor(6) as pool:
        pending = [pool.submit(ask, number) for number in range(12)]
        for _ in range(6):
            secrets.append(rotate(well, secrets[-1], HOUR_MS))
            pending += [pool.submit(ask, number) for number in range(6)]
        answers = [each.result() for each in pending]
    assert {each.status for each in answers} == {200}
    total = sum(nanodollars_from_text(f"{each.json['usage']['cost']:.12f}") for each in answers)
    assert spent(well, key) == total


def test_when_the_overlap_is_over(well: World, owner: User) -> None:
    """The old secret is refused then, though it is in memory; the new one goes on; a third ends what is said."""
    old = well.new_key("rot-home")
    new = rotate(well, old, HOUR_MS)
    assert [chat(well, each).status for each in (old, new)] == [200, 200]
    now_ms = well.house.gateway.now_ms()
    end_of(well, new, now_ms + 300)
    assert chat(well, old).status == 200
    while well.house.gateway.now_ms() <= now_ms + 300:
        pass
    assert [chat(well, each).status for each in (old, new)] == [401, 200]
    third = rotate(well, new, HOUR_MS)
    fourth = rotate(well, third, 0)
    assert [chat(well, each).status for each in (old, new, third, fourth)] == [401, 401, 401, 200]


def test_a_change_reaches_both_secrets(well: World, owner: User) -> None:
    """Switched off, on, limited and deleted: whichever secret asks, the next request sees it."""
    old = well.new_key("rot-home")
    new = rotate(well, old, HOUR_MS)
    both = (old, new)
    assert [chat(well, each).status for each in both] == [200, 200]
    change(well, new, disabled=True)
    assert [chat(well, each).status for each in both] == [401, 401]
    change(well, new, disabled=False)
    assert [chat(well, each).status for each in both] == [200, 200]
    change(well, new, allowed_models=("openai/gpt-4",))
    assert [chat(well, each).status for each in both] == [404, 404]
    well.run(well.house.keys.delete(OPERATOR, new.key.id, well.house.gateway.now_ms()))
    assert [chat(well, each).status for each in both] == [401, 401]


def test_a_user_who_is_kept_out(well: World, owner: User) -> None:
    """Whose maker an admin disables, works by neither secret; enabled, by both."""
    maker = well.new_user("rot-maker", Role.MEMBER, "rot-home")
    old = well.new_key("rot-home", creator=maker)
    both = (old, rotate(well, old, HOUR_MS))
    assert [chat(well, each).status for each in both] == [200, 200]
    users, now_ms = well.house.users, well.house.gateway.now_ms()
    well.run(users.disable(OPERATOR, maker.id, now_ms))
    assert [chat(well, each).status for each in both] == [401, 401]
    well.run(users.enable(OPERATOR, maker.id, now_ms))
    assert [chat(well, each).status for each in both] == [200, 200]


def test_a_leaked_old_secret(well: World, owner: User) -> None:
    """What was rotated away and then is found in public ends; the key itself goes on with its new secret."""
    old = well.new_key("rot-home")
    new = rotate(well, old, HOUR_MS)
    assert chat(well, old).status == 200
    leak = Leak(token=old.secret, type="tollway", url="https://code.example/x", source="content")
    now_ms = well.house.gateway.now_ms()
    assert well.run(well.house.leaks.take(leak, now_ms)) is True
    assert [chat(well, each).status for each in (old, new)] == [401, 200]
    assert well.run(well.house.leaks.take(leak, now_ms)) is True
    assert chat(well, new).status == 200


def test_one_of_two_rotations(well: World, owner: User) -> None:
    """Who rotates what somebody has just rotated is told so; no secret is lost."""
    old = well.new_key("rot-home")
    new = rotate(well, old, HOUR_MS)
    late, _ = renew_secret(old.key, well.house.pepper)
    with pytest.raises(ConflictError):
        well.run(well.house.database.write(*rotate_secret(old.key, late, 1, 1)))
    assert chat(well, new).status == 200
    with pytest.raises(NotFound):
        well.run(well.house.keys.rotate(OPERATOR, "0" * 64, 0, 1))


def test_disabled_while_it_is_rotated(well: World, owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new secret is as disabled as the key, whoever came first."""
    key = well.new_key("rot-home", creator=owner)
    desk, now_ms = well.house.keys, well.house.gateway.now_ms()
    written = desk._audit.write

    async def late(actor: Any, action: str, *rest: Any, **more: Any) -> None:
        if action == "key.changed":
            await asyncio.sleep(0.3)
        await written(actor, action, *rest, **more)

    def status(secret: str) -> int:
        return request(well.url, "GET", "/api/v1/key", headers={"authorization": f"Bearer {secret}"}).status

    async def both() -> str:
        disabling = asyncio.create_task(desk.change(OPERATOR, key.key.id, ChangedKey(disabled=True), now_ms))
        await asyncio.sleep(0.05)
        _, secret = await desk.rotate(OPERATOR, key.key.id, 0, now_ms)
        await asyncio.to_thread(status, secret)
        await disabling
        return secret

    monkeypatch.setattr(desk._audit, "write", late)
    assert status(well.run(both())) == 401


def test_the_page(well: World, owner: User) -> None:
    """Shown once; the old one beside it until its time, or until it is ended; limits and lists changed; off and on."""
    browser = browser_of(well, owner)
    listed = browser.get("/keys?workspace=rot-home")
    first = secret_of(browser.submit(listed, "/keys", name="Rotated", limit="5", usage_limit_type="weekly"))
    id_ = id_of(browser.get("/keys?workspace=rot-home"), "Rotated")
    page = browser.get(f"/keys/{id_}")
    assert (page.status, page.headers["cache-control"]) == (200, "no-store")
    assert "it starts again at 20" in page.text
    turned = browser.submit(page, f"/keys/{id_}/rotate", overlap="24")
    second = secret_of(turned)
    assert (first == second, second in browser.get(f"/keys/{id_}").text) == (False, False)
    assert works(well, first, second) == [200, 200]
    both = browser.get(f"/keys/{id_}")
    assert "works until" in both.text
    assert browser.submit(both, f"/keys/{id_}/end-old").status == 303
    assert works(well, first, second) == [401, 200]
    third = secret_of(browser.submit(page, f"/keys/{id_}/rotate", overlap="0"))
    assert works(well, second, third) == [401, 200]
    assert browser.submit(page, f"/keys/{id_}/rotate", overlap="99").status == 400
    assert works(well, third) == [200]
    edited = {"name": "Narrow", "limit": "7", "usage_limit_type": "daily", "expires_at": "30", "rpm": "100"}
    lists = {"allowed_models": "openai/gpt-4", "allowed_providers": "a"}
    assert browser.submit(page, f"/keys/{id_}/edit", **edited, **lists).status == 303
    assert works(well, third) == [404]
    shown = browser.get(f"/keys/{id_}").text
    assert all(text in shown for text in ("Narrow", "$7.00 each day", 'value="openai/gpt-4"', 'value="100"'))
    for wrong in (
        {"name": ""}, {"limit": "much"}, {"limit": "-1"}, {"rpm": "0"}, {"rpm": "x"}, {"allowed_models": "no/such"},
        {"allowed_providers": "nobody"}, {"expires_at": "2001-01-01T00:00:00Z"}, {"usage_limit_type": "hourly"},
    ):  # fmt: skip
        answer = browser.submit(page, f"/keys/{id_}/edit", **{**edited, **lists, **wrong})
        assert (answer.status, 'role="alert"' in answer.text) == (400, True), wrong
    assert browser.submit(page, f"/keys/{id_}/edit", **edited, allowed_models="", allowed_providers="").status == 303
    assert browser.submit(page, f"/keys/{id_}/switch", change="disable").status == 303
    assert works(well, third) == [401]
    assert browser.submit(page, f"/keys/{id_}/switch", change="enable").status == 303
    assert browser.submit(page, f"/keys/{id_}/switch", change="melt").status == 400
    assert works(well, third) == [200]


def works(well: World, *secrets: str) -> list[int]:
    return [well.chat(headers={"Authorization": f"Bearer {each}"}).status for each in secrets]


def test_keys_that_manage_have_a_tab(well: World, owner: User) -> None:
    """Of their own; a rotated one manages on, and still calls no model."""
    browser = browser_of(well, owner)
    page = browser.get("/keys?workspace=rot-home")
    made = secret_of(browser.submit(page, "/keys", name="Manager", kind="provisioning"))
    assert "Manager" not in browser.get("/keys?workspace=rot-home").text
    tab = browser.get("/keys?workspace=rot-home&kind=provisioning")
    id_ = id_of(tab, "Manager")
    turned = secret_of(browser.submit(browser.get(f"/keys/{id_}"), f"/keys/{id_}/rotate", overlap="1"))
    assert turned.startswith("sk-or-prov-v1-")
    for each in (made, turned):
        listed = request(well.url, "GET", "/api/v1/keys", headers={"Authorization": f"Bearer {each}"})
        assert listed.status == 200
        assert works(well, each) == [403]


def test_who_rotates_a_key_that_manages(well: World, owner: User) -> None:
    """It may do in all its maker's workspaces what the maker may: a co-worker is not given its secret."""
    key = well.new_key("rot-home", kind=KeyKind.PROVISIONING, prefix="sk-or-prov-v1-", creator=owner)
    admin = well.new_user("rot-admin", Role.ADMIN, "rot-home")
    path = f"/keys/{key.key.id}"
    theirs, mine = browser_of(well, admin), browser_of(well, owner)
    refused = theirs.submit(theirs.get(path), f"{path}/rotate", overlap="1")
    assert (refused.status, "who made it" in refused.text) == (403, True)
    assert "sk-or-prov-v1-" not in refused.text.replace(key.key.label, "")
    assert mine.submit(mine.get(path), f"{path}/rotate", overlap="1").status == 200
    itself = well.run(actor_of_key(well.house.database, key.key))
    with pytest.raises(Forbidden):
        well.run(well.house.keys.rotate(itself, key.key.id, 0, well.house.gateway.now_ms()))


def test_doors(well: World, owner: User) -> None:
    """A member has their own keys alone; another tenant none; others' forms do nothing."""
    key = well.new_key("rot-home", kind=KeyKind.INFERENCE, creator=owner)
    path = f"/keys/{key.key.id}"
    assert Browser(well).get(path).headers["location"].startswith("/sign-in")
    member = browser_of(well, well.new_user("rot-member", Role.MEMBER, "rot-home"))
    other = browser_of(well, well.new_user("rot-other", Role.OWNER, "rot-other"))
    mine = browser_of(well, owner)
    forms = {
        "member": (member, form_of(member.get("/keys?workspace=rot-home").text)),
        "other": (other, form_of(other.get("/keys?workspace=rot-other").text)),
    }
    fields = {"overlap": "0", "name": "Taken", "change": "disable"}
    for browser, form in forms.values():
        assert browser.get(path).status == 404
        for what in ("rotate", "edit", "end-old", "switch"):
            assert browser.post(f"{path}/{what}", **form, **fields).status == 404, what
            assert browser.post(f"/keys/{'0' * 64}/{what}", **form, **fields).status == 404
    for what in ("rotate", "edit", "end-old", "switch"):
        assert mine.post(f"{path}/{what}", **fields, workspace_id="rot-home", csrf="wrong").status == 403
        cross = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "cross-site"}
        assert mine.post(f"{path}/{what}", cross, **form_of(mine.get(path).text), **fields).status == 403
    assert chat(well, key).status == 200
