"""Revocation under load, over sockets: once a change was answered, no request of the key is let in (FAULTS.md 4.1)."""

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from urllib.parse import urlsplit

from tests.support import Secret, World, ask, request
from tollway.domain.identity import KeyKind
from tollway.domain.people import Role

KEYS = 60
ANSWERED_S = 5.0
"""The bound is 1 s; the other work of a test machine is not ours."""


def test_no_request_is_let_in_after_the_answer(well: World, tell: Callable[[str], None]) -> None:
    """Keys are disabled and deleted while eight threads use them: a request that begins after the answer is a 401.

    That is a delay of nothing, however slow the machine is; how long the answer itself took is told.
    """
    owner = well.new_user("revoker", Role.OWNER, "revoked")
    manager = well.new_key(
        "revoked", credits_usd="50", creator=owner, kind=KeyKind.PROVISIONING, prefix="sk-or-prov-v1-"
    )
    keys = [well.new_key("revoked") for _ in range(KEYS)]
    gone: set[str] = set()
    late: list[str] = []
    over = threading.Event()

    def use(worker: int) -> int:
        served = 0
        while not over.is_set():
            for key in keys[worker::8]:
                was_gone = key.key.id in gone
                status = well.chat(headers=key.headers, max_tokens=2).status
                served += status == 200
                if was_gone and status != 401:
                    late.append(f"{key.key.id}: {status}")
        return served

    def revoke(number: int, key: Secret) -> float:
        path, began = f"/api/v1/keys/{key.key.id}", time.monotonic()
        if number % 2:
            answer = request(well.url, "DELETE", path, headers=manager.headers)
        else:
            answer = request(well.url, "PATCH", path, {"disabled": True}, headers=manager.headers)
        assert answer.status == 200, answer.text
        took = time.monotonic() - began
        gone.add(key.key.id)
        return took

    with ThreadPoolExecutor(8) as pool:
        users = [pool.submit(use, worker) for worker in range(8)]
        took = sorted(revoke(number, key) for number, key in enumerate(keys))
        time.sleep(0.5)
        over.set()
        served = sum(each.result() for each in users)
    assert served > 0
    assert late == []
    tell(f"revocation: {KEYS} keys under load, the slowest took {took[-1] * 1000:.0f} ms; none was let in afterwards")
    assert took[-1] <= ANSWERED_S


def test_on_one_connection(well: World) -> None:
    """Its header was authenticated before, byte for byte; that lets nobody in whose key has gone since."""
    owner = well.new_user("keeper", Role.OWNER, "kept-open")
    manager = well.new_key("kept-open", creator=owner, kind=KeyKind.PROVISIONING, prefix="sk-or-prov-v1-")
    kept, gone = (well.new_key("kept-open", credits_usd="5", creator=owner) for _ in range(2))
    place = urlsplit(well.url)
    connection = HTTPConnection(place.hostname or "", place.port or 80, timeout=60)

    def answered(key: Secret) -> int:
        body = json.dumps(ask(max_tokens=2))
        connection.request("POST", "/api/v1/chat/completions", body, {"content-type": "application/json"} | key.headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status

    assert [answered(gone) for _ in range(3)] == [200] * 3
    assert request(well.url, "DELETE", f"/api/v1/keys/{gone.key.id}", headers=manager.headers).status == 200
    assert [answered(gone) for _ in range(3)] == [401] * 3
    assert [answered(kept) for _ in range(3)] == [200] * 3
    path = f"/api/v1/keys/{kept.key.id}"
    assert request(well.url, "PATCH", path, {"disabled": True}, headers=manager.headers).status == 200
    assert answered(kept) == 401
    assert request(well.url, "PATCH", path, {"disabled": False}, headers=manager.headers).status == 200
    assert answered(kept) == 200
    connection.close()
