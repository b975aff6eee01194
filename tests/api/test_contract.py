"""/openapi.json and the server say the same: schemathesis calls every operation with the credential that reaches it.

All its checks are on. `EXAMPLES=200` makes as many cases of an operation as a release must pass; the usual run has a
tenth of them, always the same ones.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import WELL
from tests.support import World, ask, world
from tollway.api.routes import routes
from tollway.api.table import Auth
from tollway.domain.guardrails import Guardrail, Guards
from tollway.domain.identity import KeyKind
from tollway.domain.people import Role
from tollway.domain.storefronts import Platform, PlatformModel
from tollway.identity.ids import new_id
from tollway.storage.guardrails import set_guardrail

EXAMPLES = int(os.environ.get("EXAMPLES", "20"))
LEFT_OUT = {("post", "/account/v1/sign-out")}
"""What ends the session that the run has: test_routes.py calls it."""
WHOLE = 200
"""Examples from which on nothing is spared."""
REPEATED = {
    "/v1/chat/completions", "/api/v1/guest/chat/completions", "/v1/guest/chat/completions",
    "/platform/api/v1/chat/completions",
}  # fmt: skip
"""URLs whose body is decoded into the same Struct as that of /api/v1/chat/completions: thousands of cases for each."""
CONFIG = """
[checks]
# What is not built yet says so; that it does so only where the document says it, another check sees.
not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", "501"]
# Rules that no schema says: an address that is none, a model that is not there, credits that are spent, what is off.
positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "402", "403", "404", "410", "422", "429", "501"]
negative_data_rejection.expected-statuses = ["400", "401", "402", "403", "404", "410", "413", "429", "501"]
"""
RUNS = {
    "inference": frozenset({Auth.NONE, Auth.KEY, Auth.INFERENCE}),
    "provisioning": frozenset({Auth.KEY, Auth.PROVISIONING}),
    "session": frozenset({Auth.BROWSER, Auth.SESSION}),
    "admin": frozenset({Auth.ADMIN}),
}
"""Credential -> the operations that it is tried on."""


@pytest.fixture(scope="module")
def shop() -> Iterator[World]:
    """A server that this file may change as it likes."""
    with world(*WELL, settings={"platform": Platform((PlatformModel("test/model", credit_cost=3),))}) as it:
        yield it


@pytest.fixture(scope="module")
def things(shop: World) -> dict[str, list[str]]:
    """Parts of paths -> what is there, so that not all that is asked for is absent."""
    own = str(shop.chat().json["id"])
    shop.settled()
    guardrail = Guardrail(new_id(1), "home", "Harmless", None, Guards(), 1)
    shop.run(shop.house.database.write(set_guardrail(guardrail)))
    assert shop.request("POST", "/api/v1/presets/kept/chat/completions", ask()).status == 200
    return {
        "/keys/": [shop.new_key().key.id for _ in range(3)],
        "/generations/": [own],
        "/workspaces/": ["home"],
        "/guardrails/": [guardrail.id],
        "/presets/": ["kept"],
        "/budgets/": ["daily", "weekly", "monthly", "lifetime"],
        "/versions/": ["1"],
    }


def headers_of(shop: World, name: str) -> dict[str, str]:
    """The headers of a credential that may do everything that its kind may."""
    if name == "inference":
        return shop.key.headers
    user = shop.new_user(f"contract-{name}", Role.OWNER, admin=name == "admin")
    if name == "provisioning":
        return shop.new_key(kind=KeyKind.PROVISIONING, prefix="sk-or-prov-v1-", creator=user).headers
    return {k: v for k, v in shop.signed_in(user).items() if k != "content-type"}


def described(shop: World, wanted: frozenset[Auth], things: dict[str, list[str]]) -> dict[str, Any]:
    """The document with these operations alone; parts of paths are as often things that are there."""
    document: dict[str, Any] = shop.request("GET", "/openapi.json").json
    table = {
        (route.method.lower(), route.path.replace(":path}", "}")): route.auth for route in shop.call(routes, shop.house)
    }
    paths: dict[str, dict[str, Any]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if table.get((method, path), Auth.INFERENCE) not in wanted or (method, path) in LEFT_OUT:
                continue
            for parameter in operation.get("parameters", []):
                before = path.partition(f"{{{parameter['name']}}}")[0]
                there = next((found for part, found in things.items() if before.endswith(part)), None)
                if parameter["in"] == "path" and there:
                    parameter["schema"] = {"anyOf": [{"enum": there}, parameter["schema"]]}
            if path in REPEATED and EXAMPLES < WHOLE:
                operation["requestBody"]["content"] = {"application/json": {"schema": {"type": "object"}}}
            paths.setdefault(path, {})[method] = operation
    return {**document, "paths": paths}


@pytest.mark.parametrize("name", RUNS)
def test_the_document_holds(
    shop: World, things: dict[str, list[str]], tell: Callable[[str], None], tmp_path: Path, name: str
) -> None:
    """No 5xx, no status, header, type or shape that is not in the document; no credential passed over."""
    document = described(shop, RUNS[name], things)
    operations = sum(len(found) for found in document["paths"].values())
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    headers = headers_of(shop, name)
    scheme, secret = re.split("[ =]", headers.pop("authorization", "") or headers.pop("cookie"))
    shown = f'key.bearer = "{secret}"' if scheme == "Bearer" else f'session.api_key = "{secret}"'
    (tmp_path / "schemathesis.toml").write_text(f"{CONFIG}[auth.openapi]\n{shown}\n")
    sent = [part for pair in headers.items() for part in ("-H", f"{pair[0]}: {pair[1]}")]
    run = subprocess.run(
        [
            sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml", "run", "openapi.json",
            "--url", shop.url, "--checks", "all", "--phases", "examples,coverage,fuzzing", "--continue-on-failure",
            "--max-examples", str(EXAMPLES), "--seed", "5", "--no-color", "--warnings", "off", *sent,
        ],
        cwd=tmp_path, capture_output=True, text=True, timeout=3600, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-5_000:]
    counted = re.search(r"(\d+) generated", run.stdout)
    assert counted is not None, run.stdout
    assert int(counted[1]) >= operations * min(EXAMPLES, 5)
    tell(f"schemathesis, {name}: {operations} operations, {counted[1]} cases, all checks")
