"""`/alerts`, and what comes of them: each crossing once, by mail and by signed webhook, until it is taken."""

import asyncio
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from email.header import decode_header, make_header
from hashlib import sha256
from typing import Any

import pytest

from tests.api.browsing import Browser, asks_first
from tests.storage.ledgers import generation
from tests.support import Answer, Secret, World, offer, request, world
from tests.upstream.mail_server import MailServer
from tests.web.site import Looked
from tollway.config import Upstream
from tollway.domain.leaks import Leak
from tollway.domain.mail import MailSettings
from tollway.domain.people import Role, User
from tollway.gateway.alert_desk import secret_of
from tollway.storage.alerts import drop_old, last_deliveries
from tollway.storage.database import Statement
from tollway.storage.ledger import commit_generations
from tollway.storage.members import delete_workspace

FORM = "/alerts/new"
DOLLAR = 10**9


class Hook:
    """A server that webhooks go to: what came is kept; `answers` are the statuses of the next ones."""

    def __init__(self) -> None:
        self.url = ""
        self.came: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []

    async def start(self) -> asyncio.Server:
        server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
        return server

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers["content-length"]))
        self.came.append((headers, body))
        status = self.answers.pop(0) if self.answers else 204
        writer.write(f"HTTP/1.1 {status} X\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()


class Town:
    """A server with mail, beside a mail server and a hook."""

    def __init__(self, it: World, mail: MailServer, hook: Hook) -> None:
        self.world, self.mail, self.hook = it, mail, hook
        self.later_ms = 0

    def sweep(self, later_ms: int = 0) -> None:
        """As the job does it; `later_ms`: at a time to come."""
        at_ms = self.world.house.gateway.now_ms() + later_ms
        sweep = self.world.house.alerting.sweep
        self.world.run(sweep.look(at_ms))
        self.world.run(sweep.deliver(lambda: at_ms))


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    mail, hook = MailServer(), Hook()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    stack = ExitStack()

    def run(coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(30)

    listening = mail.listening()
    run(listening.__aenter__())
    server = run(hook.start())
    settings = MailSettings(host="127.0.0.1", port=mail.port, starttls=False, sender="tollway@example.net")
    with stack:
        it = stack.enter_context(
            world(offer(), upstream=Upstream(fetch_allow=("127.0.0.1",)), settings={"mail": settings})
        )
        yield Town(it, mail, hook)
    loop.call_soon_threadsafe(server.close)
    run(listening.__aexit__(None, None, None))
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def place(town: Town, name: str, usd: str = "10") -> tuple[Browser, User, Secret]:
    """A workspace of one owner, with credits and a key."""
    user = town.world.new_user(name, Role.OWNER, name)
    key = town.world.new_key(name, credits_usd=usd, creator=user)
    browser = Browser(town.world)
    browser.cookie = town.world.signed_in(user)["cookie"]
    return browser, user, key


def make(browser: Browser, workspace: str, **fields: Any) -> Answer:
    page = browser.get(f"/alerts?workspace={workspace}")
    assert page.status == 200, page.text
    return browser.submit(page, FORM, **{"workspace_id": workspace, "by_mail": "", "by_hook": "", **fields})


def spend(town: Town, key: Secret, id_: str, usd: float) -> None:
    """A request that cost so much."""
    made = generation(id_, key.key, cost=int(usd * DOLLAR), created_ms=town.world.house.gateway.now_ms())
    town.world.run(commit_generations(town.world.house.database, [made]))


def subjects(town: Town, user: User) -> list[str]:
    return [str(make_header(decode_header(str(m["subject"])))) for _, to, m in town.mail.letters if to == user.email]


def wait_for(what: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 20
    while not what():
        assert time.monotonic() < end_s
        time.sleep(0.05)


def test_a_low_balance(town: Town) -> None:
    """Told once when it falls below, whoever looks how often; again only after it was above."""
    browser, user, key = place(town, "low")
    assert make(browser, "low", kind="balance", amount="5", by_mail="yes").status == 303
    town.sweep()
    assert subjects(town, user) == []
    spend(town, key, "low-1", 6)
    for _ in range(3):
        town.sweep()
    assert subjects(town, user) == ["low: the balance is below $5"]
    town.world.run(town.world.stage.grant("low", "20"))
    town.sweep()
    spend(town, key, "low-2", 20)
    town.sweep()
    town.sweep()
    assert len(subjects(town, user)) == 2
    page = browser.get("/alerts?workspace=low").text
    assert "The balance falls below $5.00" in page
    assert page.count("delivered") == 2


def test_spend_in_parts(town: Town) -> None:
    """50, 80 and 100 percent, each once; two that are passed at once are told as one."""
    browser, user, key = place(town, "parts", "100")
    assert make(browser, "parts", kind="spend", amount="10", period="monthly", by_mail="yes").status == 303
    for number, (usd, told) in enumerate([(4.9, 0), (0.1, 1), (1, 1), (5, 2), (5, 2)]):
        spend(town, key, f"parts-{number}", usd)
        town.sweep()
        assert len(subjects(town, user)) == told, usd
    assert subjects(town, user) == [f"parts: {percent}% of $10 is spent this month" for percent in (50, 100)]


def test_a_key_s_limit(town: Town) -> None:
    """A key that nears its limit; other workspaces' keys are none of it."""
    browser, user, _ = place(town, "keyed", "100")
    limited = town.world.new_key("keyed", limit_usd="10", creator=user)
    other = town.world.new_key("keyed-not", credits_usd="50", limit_usd="10")
    assert make(browser, "keyed", kind="key", percents="90", by_mail="yes").status == 303
    spend(town, limited, "keyed-1", 8.9)
    spend(town, other, "keyed-2", 10)
    town.sweep()
    assert subjects(town, user) == []
    spend(town, limited, "keyed-3", 0.2)
    town.sweep()
    town.sweep()
    assert subjects(town, user) == ["keyed: key “test” has reached 90% of its limit"]


def test_old_crossings_go(town: Town) -> None:
    """Those of times that are over, and of balances that came back; what still holds is told no second time."""
    browser, user, key = place(town, "old")
    limited = town.world.new_key("old", limit_usd="1", creator=user)
    make(browser, "old", kind="balance", amount="5", by_mail="yes")
    make(browser, "old", kind="spend", amount="1", period="daily", by_mail="yes")
    make(browser, "old", kind="key", percents="50", by_mail="yes")
    spend(town, key, "old-1", 6)
    spend(town, limited, "old-2", 0.6)
    town.sweep()
    assert len(subjects(town, user)) == 3
    database, now_ms = town.world.house.database, town.world.house.gateway.now_ms()
    sql = (
        "SELECT crossing FROM alert_events WHERE rule_id IN (SELECT id FROM alert_rules WHERE workspace_id = 'old')"
        " ORDER BY crossing"
    )
    assert len(town.world.run(database.read(sql))) == 5
    town.world.run(database.write(*drop_old(now_ms, now_ms + 1)))
    left = [row[0] for row in town.world.run(database.read(sql))]
    assert left == sorted([f"{limited.key.id} ever 1 50", "balance 0"])
    town.world.run(town.world.stage.grant("old", "20"))
    town.sweep()
    town.world.run(database.write(*drop_old(now_ms, 0)))
    assert "balance 0" not in [row[0] for row in town.world.run(database.read(sql))]


def test_two_sweeps_at_once(town: Town) -> None:
    """Whoever looks at the same moment: one delivery."""
    browser, user, key = place(town, "twice")
    make(browser, "twice", kind="balance", amount="5", by_mail="yes")
    spend(town, key, "twice-1", 9)
    sweep, now_ms = town.world.house.alerting.sweep, town.world.house.gateway.now_ms()

    async def both() -> None:
        await asyncio.gather(*(sweep.look(now_ms) for _ in range(8)))

    town.world.run(both())
    found = town.world.run(last_deliveries(town.world.house.database, "twice", 10))
    assert len(found) == 1
    town.sweep()
    assert len(subjects(town, user)) == 1


def test_two_that_deliver_at_once(town: Town) -> None:
    """One letter, though the job and somebody else find the same thing due."""
    browser, user, key = place(town, "both")
    make(browser, "both", kind="balance", amount="5", by_mail="yes")
    spend(town, key, "both-1", 9)
    sweep, now_ms = town.world.house.alerting.sweep, town.world.house.gateway.now_ms()

    async def both() -> None:
        await sweep.look(now_ms)
        await asyncio.gather(*(sweep.deliver(lambda: now_ms) for _ in range(4)))

    town.world.run(both())
    assert len(subjects(town, user)) == 1


def set_hook(town: Town, browser: Browser, workspace: str) -> str:
    page = browser.submit(
        browser.get(f"/alerts?workspace={workspace}"), "/alerts/webhook", workspace_id=workspace, url=town.hook.url
    )
    assert page.status == 200, page.text
    secret = Looked(page.text).by_id["secret"]
    assert secret not in browser.get(f"/alerts?workspace={workspace}").text
    return secret


def test_a_webhook(town: Town) -> None:
    """Signed, with exact amounts; tried again with the same id until it is taken, and a redirect is not followed."""
    browser, _, key = place(town, "hooked", "100")
    secret = set_hook(town, browser, "hooked")
    assert make(browser, "hooked", kind="spend", amount="10", period="daily", by_hook="yes").status == 303
    town.hook.came.clear()
    town.hook.answers[:] = [500, 307]
    spend(town, key, "hooked-1", 8.000000001)
    town.sweep()
    assert len(town.hook.came) == 1
    page = browser.get("/alerts?workspace=hooked").text
    assert "It answered with status 500." in page
    town.sweep(29_000)
    assert len(town.hook.came) == 1
    town.sweep(31_000)
    town.sweep(300_000)
    town.sweep(900_000)
    assert len(town.hook.came) == 3
    for headers, body in town.hook.came:
        fields = dict(each.split("=", 1) for each in headers["tollway-signature"].split(","))
        signed = hmac.new(secret.encode(), f"{fields['t']}.".encode() + body, sha256).hexdigest()
        assert fields["v1"] == signed
        told = json.loads(body)
        assert headers["tollway-delivery"] == told["id"]
        assert (told["type"], told["workspace"]["id"]) == ("spend.reached", "hooked")
        assert (told["data"]["usd"], told["data"]["percent"]) == ("8.000000001", 80)
    assert len({headers["tollway-delivery"] for headers, _ in town.hook.came}) == 1
    assert ">delivered<" in browser.get("/alerts?workspace=hooked").text


def test_a_test(town: Town) -> None:
    """The button sends something at once, by the job itself; a second one has to wait."""
    browser, _, _ = place(town, "tested")
    secret = set_hook(town, browser, "tested")
    town.hook.came.clear()
    page = browser.get("/alerts?workspace=tested")
    sent = browser.submit(page, "/alerts/test", workspace_id="tested", by="hook")
    assert sent.status == 303, sent.text
    wait_for(lambda: bool(town.hook.came))
    headers, body = town.hook.came[0]
    assert json.loads(body)["type"] == "test"
    assert headers["tollway-signature"].endswith(
        hmac.new(secret.encode(), f"{headers['tollway-signature'][2:12]}.".encode() + body, sha256).hexdigest()
    )
    again = browser.submit(page, "/alerts/test", workspace_id="tested", by="mail")
    assert (again.status, "seconds at most" in again.text) == (429, True)


def test_a_secret_is_kept_nowhere(town: Town) -> None:
    """No table has it; another URL has another one; one that was taken away gets nothing any more."""
    browser, _, key = place(town, "secretive")
    first, second = (set_hook(town, browser, "secretive") for _ in range(2))
    assert first != second
    tables = town.world.run(town.world.house.database.read("SELECT * FROM alert_hooks"))
    assert first not in str(tables)
    assert second not in str(tables)
    [(hook_id,)] = [(row[1],) for row in tables if row[0] == "secretive"]
    assert secret_of(town.world.house.pepper, hook_id) == second
    make(browser, "secretive", kind="balance", amount="5", by_hook="yes")
    town.hook.came.clear()
    town.hook.answers[:] = [503]
    spend(town, key, "secretive-1", 9)
    town.sweep()
    page = browser.get("/alerts?workspace=secretive")
    assert asks_first(page, "/alerts/webhook-off")
    assert browser.submit(page, "/alerts/webhook-off", workspace_id="secretive").status == 303
    town.sweep(60_000)
    assert len(town.hook.came) == 1
    assert "taken away" in browser.get("/alerts?workspace=secretive").text


def test_it_is_given_up(town: Town) -> None:
    """After three days of trying it is said to have failed, and not tried any more."""
    browser, _, key = place(town, "given-up")
    set_hook(town, browser, "given-up")
    make(browser, "given-up", kind="balance", amount="5", by_hook="yes")
    town.hook.answers[:] = [500] * 3
    spend(town, key, "given-up-1", 9)
    town.sweep()
    town.sweep(73 * 3_600_000)
    [found] = town.world.run(last_deliveries(town.world.house.database, "given-up", 10))
    assert (found.state, found.attempts) == ("failed", 2)
    town.hook.answers.clear()


def test_an_address_that_no_mail_can_carry(town: Town) -> None:
    """One that came in before it was refused: its letter fails, and everybody else's go out."""
    odd_browser, odd, _ = place(town, "odd", "1")
    browser, user, _ = place(town, "usual", "1")
    database = town.world.house.database
    town.world.run(database.write(Statement("UPDATE users SET email = 'a@[' WHERE id = :id", ({"id": odd.id},))))
    for each, name in ((odd_browser, "odd"), (browser, "usual")):
        assert make(each, name, kind="balance", amount="5", by_mail="yes").status == 303
    town.sweep()
    assert subjects(town, user) == ["usual: the balance is below $5"]
    [found] = town.world.run(last_deliveries(database, "odd", 10))
    assert (found.state, found.attempts, "did not take it" in found.failure) == ("pending", 1, True)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"kind": "balance", "amount": "much"}, "An amount in USD"),
        ({"kind": "balance", "amount": "0"}, "more than $0"),
        ({"kind": "balance", "amount": "1e99"}, "An amount in USD"),
        ({"kind": "balance", "amount": "NaN"}, "An amount in USD"),
        ({"kind": "balance", "amount": "0.0000000001"}, "nanodollar"),
        ({"kind": "balance", "amount": "5", "by_mail": ""}, "Choose how"),
        ({"kind": "balance", "amount": "5", "by_mail": "", "by_hook": "yes"}, "Say first where"),
        ({"kind": "spend", "amount": "5", "period": ""}, "Choose the time"),
        ({"kind": "spend", "amount": "5", "period": "hourly"}, "period"),
        ({"kind": "spend", "amount": "5", "period": "daily", "percents": "half"}, "whole numbers"),
        ({"kind": "spend", "amount": "5", "period": "daily", "percents": "0"}, "whole numbers"),
        ({"kind": "weather"}, "kind"),
    ],
)
def test_what_is_refused(town: Town, wrong: Browser, fields: dict[str, str], said: str) -> None:
    """400 that says why, with what was typed; nothing is made."""
    answer = make(wrong, "wrong", **{"by_mail": "yes", **fields})
    assert (answer.status, said in answer.text) == (400, True), answer.text[-3000:]
    if fields.get("amount") == "much":
        assert 'value="much"' in answer.text
    assert "You are told of nothing yet" in wrong.get("/alerts?workspace=wrong").text


@pytest.fixture(scope="module")
def wrong(town: Town) -> Browser:
    return place(town, "wrong")[0]


@pytest.mark.parametrize(
    "url", ["", "ftp://a/", "javascript:alert(1)", "https://u:p@a.example/", "https://" + "a" * 1100]
)
def test_urls_that_are_none(town: Town, wrong: Browser, url: str) -> None:
    page = wrong.submit(wrong.get("/alerts?workspace=wrong"), "/alerts/webhook", workspace_id="wrong", url=url)
    assert page.status == 400
    assert "without a user or a password" in page.text


def test_doors(town: Town) -> None:
    """Other tenants' alerts are not there; members without the right to pay, and other sites' forms, are refused."""
    browser, _, _ = place(town, "owned")
    make(browser, "owned", kind="balance", amount="5", by_mail="yes")
    page = browser.get("/alerts?workspace=owned")
    [(rule_id,)] = town.world.run(
        town.world.house.database.read("SELECT id FROM alert_rules WHERE workspace_id = 'owned'")
    )
    stranger, _, _ = place(town, "strange")
    theirs = stranger.get("/alerts?workspace=strange")
    for id_ in (rule_id, "nobody-s"):
        assert make(stranger, "strange", kind="balance", amount="1", by_mail="yes").status == 303
        theirs = stranger.get("/alerts?workspace=strange")
        assert stranger.submit(theirs, "/alerts/delete", workspace_id="strange", id=id_).status == 404
    assert stranger.get("/alerts?workspace=owned").status == 404
    for path in ("new", "webhook", "webhook-off", "test", "delete"):
        fields = {"kind": "balance", "amount": "5", "by": "mail", "url": town.hook.url, "id": rule_id}
        csrf = {
            "csrf": str(next(tag["value"] for tag in Looked(theirs.text).all("input") if tag.get("name") == "csrf"))
        }
        assert stranger.post(f"/alerts/{path}", **fields, **csrf, workspace_id="owned").status == 404, path
        assert browser.post(f"/alerts/{path}", **fields, csrf="wrong", workspace_id="owned").status == 403, path
    member = Browser(town.world)
    member.cookie = town.world.signed_in(town.world.new_user("owned-member", Role.MEMBER, "owned"))["cookie"]
    assert member.get("/alerts?workspace=owned").status == 403
    assert Browser(town.world).get("/alerts").headers["location"] == "/sign-in?next=%2Falerts"
    assert asks_first(page, "/alerts/delete")
    assert browser.submit(page, "/alerts/delete", workspace_id="owned").status == 303
    assert "You are told of nothing yet" in browser.get("/alerts?workspace=owned").text


def test_who_left_gets_no_mail(town: Town) -> None:
    """Who made an alert and belongs to the workspace no more, or may not pay for it any more, hears nothing of it."""
    for name, sql in (
        ("left", "DELETE FROM members WHERE user_id = :id AND workspace_id = 'left'"),
        ("demoted", "UPDATE members SET role = 'member' WHERE user_id = :id AND workspace_id = 'demoted'"),
    ):
        browser, user, key = place(town, name)
        make(browser, name, kind="balance", amount="5", by_mail="yes")
        town.world.run(town.world.house.database.write(Statement(sql, ({"id": user.id},))))
        spend(town, key, f"{name}-1", 9)
        town.sweep()
        assert subjects(town, user) == []


def test_what_goes_with_whom(town: Town) -> None:
    """One's alerts are in one's export; a workspace that is deleted tells nothing any more, not even what waited."""
    browser, user, key = place(town, "goes")
    set_hook(town, browser, "goes")
    make(browser, "goes", kind="balance", amount="5", by_hook="yes")
    told = request(town.world.url, "GET", "/account/v1/export", headers=town.world.signed_in(user)).json
    assert [(each["kind"], each["amount_usd"], each["by_webhook"]) for each in told["alerts"]] == [("balance", 5, True)]
    town.hook.came.clear()
    town.hook.answers[:] = [500]
    spend(town, key, "goes-1", 9)
    town.sweep()
    assert len(town.hook.came) == 1
    town.world.run(town.world.house.database.write(*delete_workspace("goes", 1)))
    town.sweep(60_000)
    assert len(town.hook.came) == 1
    for table in ("alert_rules", "alert_hooks", "alert_deliveries"):
        sql = f"SELECT COUNT(*) FROM {table} WHERE workspace_id = 'goes'"
        assert town.world.run(town.world.house.database.read(sql)) == [(0,)]


def test_owners_of_leaked_keys_get_mail(town: Town) -> None:
    """Besides the notice, once, by the job itself: with the key's label, never its secret."""
    _, user, _ = place(town, "leaked")
    key = town.world.new_key("leaked", creator=user)
    leak, now_ms = Leak(key.secret, url="https://example.com/public"), town.world.house.gateway.now_ms()
    assert town.world.run(town.world.house.leaks.take(leak, now_ms))
    assert town.world.run(town.world.house.leaks.take(leak, now_ms))
    wait_for(lambda: bool(subjects(town, user)))
    town.sweep()
    assert subjects(town, user) == ["A key of yours was found in public"]
    [text] = [str(m.get_payload()) for _, to, m in town.mail.letters if to == user.email]
    assert key.key.label in text
    assert key.secret not in text
