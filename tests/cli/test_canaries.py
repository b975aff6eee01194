"""Secrets and prompts are nowhere in the clear (S-T6): a server with debug logs, what it does, and what it leaves.

Each secret is a word of its own. When everything has been done, and gone wrong, with each of them, the log, every file
of the data directory (the database with what is not yet in it), the metrics and the errors are searched for them: as
they are, in hexadecimal and in base64.
"""

import asyncio
import base64
import json
import re
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.canaries import forms
from tests.chaos.server import ServerProcess
from tests.payments.fake_stripe import signed
from tests.support import PATIENCE_S, Answer, ask, request
from tollway.simulator import Simulator

PASSWORD = f"Correct horse {secrets.token_hex(12)}"
SPOKEN = f"canaryspoken{secrets.token_hex(12)}"
"""In the prompt; the simulated model says it again, so that it is in the answer as well."""
BYOK = f"sk-{secrets.token_hex(24)}"
UPSTREAM = f"upstream-{secrets.token_hex(24)}"
STRIPE = f"sk_test_{secrets.token_hex(20)}"
WEBHOOK = f"whsec_{secrets.token_hex(20)}"
FAULTS = ("fail=400", "fail=401", "fail=429", "fail=500", "fail=html", "fail=reset", "after=1,then=truncate")
MODELS = ", ".join(
    f'{{ id = "fault/{number}", upstream = "m@answer=echo,{fault}", price_prompt = "0.000001", '
    'price_completion = "0.000002" }'
    for number, fault in enumerate(FAULTS)
)
SETTINGS = f"""
[payments]
stripe_key = "{STRIPE}"
stripe_webhook_secret = "{WEBHOOK}"
stripe_url = "http://127.0.0.1:1"

[[providers]]
slug = "c"
base_url = "URL/p/c/v1"
key = "{UPSTREAM}"
models = [ {{ id = "own/model", upstream = "m@answer=echo", price_prompt = "0.000001", price_completion = "0.000002" }},
  {MODELS} ]
"""


class Visit:
    """Requests to the server, the secrets that it gave, and the errors that it answered."""

    def __init__(self, url: str, key: str) -> None:
        self.url, self.key = url, key
        self.secrets: dict[str, str] = {"api key": key}
        self.errors: list[str] = []
        self.headers: dict[str, str] = {}

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        """With the key, unless headers are given. An answer that is an error is kept."""
        sent = {"authorization": f"Bearer {self.key}"} if headers is None else headers
        answer = request(self.url, method, path, body, headers=sent)
        if answer.status >= 400:
            self.errors.append(answer.text)
        return answer

    def page(self, method: str, path: str, body: Any = None) -> Answer:
        """As a page of the site, once somebody is signed in."""
        return self.ask(method, f"/account/v1{path}", body, self.headers)

    def signed_in(self, answer: Answer) -> None:
        """Keeps the session of an answer."""
        cookie = answer.headers["set-cookie"].partition(";")[0]
        token = answer.json["data"]["csrf_token"]
        self.secrets[f"session {len(self.secrets)}"] = cookie.partition("=")[2]
        self.headers = {"cookie": cookie, "x-csrf-token": token, "sec-fetch-site": "same-origin"}


def come_in(visit: Visit, setup: str) -> None:
    """The first admin, wrong passwords, another session."""
    mine = {"sec-fetch-site": "same-origin"}
    person = {"token": setup, "email": "canary@example.com", "password": PASSWORD}
    first = visit.ask("POST", "/account/v1/setup", person, mine)
    assert first.status == 200, first.text
    visit.signed_in(first)
    known = {"email": "canary@example.com", "password": PASSWORD}
    assert visit.ask("POST", "/account/v1/sign-in", {**known, "password": f"{PASSWORD} "}, mine).status == 401
    assert visit.ask("POST", "/account/v1/sign-in", {"password": PASSWORD}, mine).status == 400
    again = visit.ask("POST", "/account/v1/sign-in", known, mine)
    assert again.status == 200
    visit.signed_in(again)


def manage(visit: Visit) -> None:
    """Keys, credentials and codes are made, used, used wrongly, changed and deleted."""
    made = visit.page("POST", "/keys", {"name": "canary", "kind": "provisioning"})
    assert made.status == 201, made.text
    visit.secrets["provisioning key"] = made.json["key"]
    manager = {"authorization": f"Bearer {made.json['key']}"}
    assert visit.ask("POST", "/api/v1/chat/completions", ask(content=SPOKEN), manager).status == 403
    key = visit.ask("POST", "/api/v1/keys", {"name": "by a key"}, manager)
    visit.secrets["made key"] = key.json["key"]
    assert visit.ask("DELETE", f"/api/v1/keys/{key.json['data']['hash']}", {}, manager).status == 200
    assert visit.ask("GET", "/api/v1/key", None, {"authorization": f"Bearer {key.json['key']}"}).status == 401
    own = visit.page("POST", "/byok", {"provider": "a", "key": BYOK, "name": "canary"})
    assert own.status == 201, own.text
    assert visit.page("POST", "/byok", {"provider": "no-such", "key": BYOK}).status == 400
    assert visit.page("POST", "/byok", {"provider": "a", "key": [BYOK]}).status == 400
    assert visit.page("PATCH", f"/byok/{own.json['data']['id']}", {"key": BYOK, "name": 5}).status == 400
    code = visit.page("POST", "/auth/keys/code", {"callback_url": "https://app.example/"})
    visit.secrets["code"] = code.json["data"]["id"]
    for status in (200, 403):  # the second time ends the key
        got = visit.ask("POST", "/api/v1/auth/keys", {"code": code.json["data"]["id"]}, {})
        assert got.status == status, got.text
        if status == 200:
            visit.secrets["exchanged key"] = got.json["key"]


def talk(visit: Visit) -> None:
    """Every format, whole and streamed, as it should be and with every fault; bodies that can't be read."""
    said = [{"role": "user", "content": SPOKEN}]
    for stream in (False, True):
        for path, body in (
            ("chat/completions", {"messages": said}),
            ("completions", {"prompt": SPOKEN}),
            ("messages", {"messages": said, "max_tokens": 50}),
            ("responses", {"input": SPOKEN}),
        ):
            for model in ("test/model", "own/model", *(f"fault/{at}" for at in range(len(FAULTS)))):
                answer = visit.ask("POST", f"/api/v1/{path}", {"model": model, "stream": stream, **body})
                if model in ("test/model", "own/model"):
                    assert answer.status == 200, answer.text
                    assert stream or SPOKEN in answer.text
    for broken in (b"{" + SPOKEN.encode(), json.dumps({"messages": SPOKEN}).encode(), b"\xff" + SPOKEN.encode()):
        assert visit.ask("POST", "/api/v1/chat/completions", broken).status == 400
    assert visit.ask("POST", "/api/v1/route", ask("own/model", SPOKEN)).status == 200


def forge(visit: Visit) -> None:
    """Events of payments with good and bad signatures, and keys where none belong."""
    body = json.dumps({"id": "evt_1", "type": "charge.refunded", "data": {"object": {}}}).encode()
    assert visit.ask("POST", "/webhooks/stripe", body, signed(body, WEBHOOK)).status < 500
    assert visit.ask("POST", "/webhooks/stripe", body, signed(body, "another")).status == 401
    for secret in list(visit.secrets.values()):
        for headers in ({"authorization": f"Bearer {secret}x"}, {"x-api-key": f"{secret[:-1]}0"}):
            assert visit.ask("POST", "/api/v1/chat/completions", ask(), headers).status == 401
    for path in (
        "/health",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/control/v1",
        "/debug",
        "/debug/pprof",
        "/nothing",
    ):
        visit.errors.append(request(visit.url, "GET", path).text)


def setup_of(log: Path) -> str:
    """The token of the link that the first start prints."""
    end = time.monotonic() + PATIENCE_S
    while (found := re.search(r"/setup#([\w-]+)", log.read_text())) is None:
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.1)
    return found[1]


def live(visit: Visit, log: Path) -> None:
    """Everything that is done; prompts and answers are kept for the workspace, which encrypts them."""
    come_in(visit, setup_of(log))
    kept = {"is_observability_io_logging_enabled": True}
    assert visit.ask("PATCH", "/account/v1/workspaces/home", kept, visit.headers).status == 200
    manage(visit)
    talk(visit)
    forge(visit)


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, with all its bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_nothing_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tell: Callable[[str], None]) -> None:
    """Neither while it runs nor after it was killed in the middle of an answer."""
    monkeypatch.setenv("LOG_LEVEL", "debug")

    async def inside() -> None:
        simulator = await Simulator.start()
        server = ServerProcess(tmp_path, simulator, "m@answer=echo", settings=SETTINGS.replace("URL", simulator.url))
        try:
            await server.endow("10")
            await server.start()
            visit = Visit(f"http://127.0.0.1:{server.port}", server.key.secret)
            log = tmp_path / "server.log"
            await asyncio.to_thread(live, visit, log)
            kept = files_of(server.data_dir)
            await server.kill()
            left = files_of(server.data_dir)
            everything = {f"{name}, running": data for name, data in kept.items()}
            everything |= {f"{name}, killed": data for name, data in left.items()}
            everything |= {"the log": log.read_bytes(), "errors and figures": "\n".join(visit.errors).encode()}
            check(visit.secrets, everything, tell)
        finally:
            await server.stop()
            await simulator.close()

    asyncio.run(inside())


def check(given: dict[str, str], everything: dict[str, bytes], tell: Callable[[str], None]) -> None:
    """No secret in any form in any of it; and the search finds what is there."""
    words = given | {
        "prompt and answer": SPOKEN, "password": PASSWORD, "BYOK": BYOK, "upstream key": UPSTREAM, "Stripe": STRIPE,
        "webhook": WEBHOOK,
    }  # fmt: skip
    found = [
        f"{name} in {place}"
        for name, secret in words.items()
        for form in forms(secret)
        for place, data in everything.items()
        if form in data
    ]
    assert found == []
    assert any(b"SQLite format 3" in data for data in everything.values())
    assert any(b"canary@example.com" in data for place, data in everything.items() if "killed" in place)
    assert b'"level": "debug"' in everything["the log"] or b'"level": "info"' in everything["the log"]
    size = sum(len(data) for data in everything.values())
    tell(f"S-T6: {len(words)} secrets, {size:,} bytes in {len(everything)} places: none found")


def test_the_search_finds() -> None:
    """What is searched for is found in each of its forms, wherever it begins."""
    for before in range(4):
        data = b"x" * before + SPOKEN.encode() + b"rest"
        for text in (data, data.hex().encode(), base64.b64encode(data)):
            assert any(form in text for form in forms(SPOKEN)), (before, text)
