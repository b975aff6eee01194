"""10^5 random requests x preferences x caps: no plan breaks a wish, and everybody who is left out has a true reason.

`make test` asks for a tenth of them, `make plans` for all (PLANS: how many).
"""

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest
from msgspec import structs

from tests.routing.bazaar import cases
from tests.routing.plan_oracle import BREACHES, SOFT, expected_errors, faults
from tollway.domain.catalog import Endpoint
from tollway.routing import caps, order, plan, rules
from tollway.routing.rules import RULES

PLANS = int(os.environ.get("PLANS", "10000"))
MUTANT_PLANS = 6_000
"""Enough to meet the rarest wish."""
SEED = 20261121


def first_fault(seed: int, count: int) -> tuple[dict[str, Any], list[str]] | None:
    """The first case whose plan is wrong: the request, and what is."""
    for case in cases(seed, count):
        if found := faults(case):
            return case.body, found
    return None


def test_no_plan_breaks_a_wish() -> None:
    """Nobody above a cap, ignored, or without a required parameter; each rejection names a rule that is broken."""
    assert first_fault(SEED, PLANS) is None


def test_the_plans_are_worth_asking_about() -> None:
    """Most are refused by nobody, many have several candidates, and every rule leaves somebody out."""
    ruled_out: set[str] = set()
    many = 0
    for case in cases(SEED + 1, 2_000):
        if expected_errors(case):
            continue
        found = case.plan()
        many += len(found.candidates) > 1
        ruled_out |= {each.rule for each in found.rejections}
    assert many > 400
    assert set(BREACHES) <= ruled_out


APART = {"no_token_ids": "tests/routing/test_plain_requests.py: no chat is made of tokens"}


def test_the_oracle_knows_every_rule() -> None:
    assert {rule.name for rule in RULES} == {*BREACHES, *APART}


def put_in_force(monkeypatch: pytest.MonkeyPatch, changed: tuple[rules.Rule, ...]) -> None:
    monkeypatch.setattr(rules, "RULES", changed)
    for part in ("OF_LENGTH", "OF_WORDS", "OF_REQUEST"):
        names = {rule.name for rule in getattr(rules, part)}
        monkeypatch.setattr(rules, part, tuple(rule for rule in changed if rule.name in names))


@pytest.mark.parametrize("name", BREACHES)
def test_a_rule_that_is_gone_is_missed(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The check can fail: without any one of the rules it does."""
    put_in_force(monkeypatch, tuple(rule for rule in RULES if rule.name != name))
    assert first_fault(SEED, MUTANT_PLANS) is not None


@pytest.mark.parametrize("name", [name for name in BREACHES if name != SOFT])
def test_a_reason_that_is_missing_is_missed(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Nor may a rule leave anybody out without a word."""

    def silent(check: rules.Check) -> rules.Check:
        return lambda ask, endpoint: None if check(ask, endpoint) is None else ""

    changed = tuple(structs.replace(rule, check=silent(rule.check)) if rule.name == name else rule for rule in RULES)
    put_in_force(monkeypatch, changed)
    assert first_fault(SEED, MUTANT_PLANS) is not None


def exact_names(names: Mapping[str, frozenset[str]], endpoint: Endpoint, wanted: Iterable[str]) -> bool:
    return endpoint.provider in wanted


def at_base(ask: rules.Ask, endpoint: Endpoint) -> str | None:
    return rules.too_dear(structs.replace(ask, prompt_bound=0), endpoint)


SORTED, AS_LISTED = order.sorted_places, order._as_listed
MUTANTS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "names of providers are exact": lambda patch: patch.setattr(rules, "means", exact_names),
    "image and audio have no caps": lambda patch: patch.setattr(
        rules, "_CAP_UNITS", {name: unit for name, unit in rules._CAP_UNITS.items() if name not in ("image", "audio")}
    ),
    "a cap per request is one per million": lambda patch: patch.setattr(
        rules, "_CAP_UNITS", {**rules._CAP_UNITS, "request": caps.PER_MILLION}
    ),
    "tiers are never reached": lambda patch: put_in_force(
        patch,
        tuple(structs.replace(rule, check=at_base) if rule.name == rules.MAX_PRICE else rule for rule in RULES),
    ),
    "reasoning_effort is no parameter": lambda patch: patch.setattr(rules, "_LISTED_AS", {}),
    "the dearest first": lambda patch: patch.setattr(
        order, "sorted_places", lambda *given: list(reversed(SORTED(*given)))
    ),
    "the caller's order backwards": lambda patch: patch.setattr(
        order, "_as_listed", lambda stalls, names, known: AS_LISTED(stalls, tuple(reversed(names)), known)
    ),
    "no preferred speed": lambda patch: patch.setattr(order, "preferred_first", lambda places, *rest: places),
    "who needs no free endpoint gets one": lambda patch: patch.setattr(
        plan, "meant", lambda stalls, variant, rejections: stalls
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_rule_that_is_bent_is_missed(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Smaller mistakes are seen as well."""
    MUTANTS[name](monkeypatch)
    assert first_fault(SEED, MUTANT_PLANS) is not None
