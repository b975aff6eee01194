"""Alarms: what only the operator can mend, as providers' answers tell it; raised once, cleared when it works again."""

import structlog

from tollway.domain.health import Alarm, Outcome
from tollway.domain.routing import Candidate
from tollway.gateway.base import Gateway
from tollway.routing.breaker import REFUSALS_TO_SWITCH_OFF
from tollway.routing.keyring import label

log = structlog.get_logger(__name__)

FORBIDDEN = 403
"""It may be about one model, or about what a prompt says: only the endpoint is switched off for it, not the key."""


def watch(
    gateway: Gateway, candidate: Candidate, key: int, outcome: Outcome, status: int | None, began_s: float, now_s: float
) -> None:
    """An attempt has ended, with this key of several, and health knows of it (FAULTS.md U-25, U-27, U-28)."""
    if outcome is Outcome.SUCCEEDED and not gateway.refusals:
        return
    endpoint, credential = candidate.endpoint.id, _credential(gateway, candidate)
    if outcome is Outcome.SUCCEEDED:
        for concerned, with_key in {(endpoint, 0), (endpoint, key), (credential, key)}:
            _works(gateway, concerned, with_key, began_s, now_s)
    elif outcome is Outcome.CREDENTIAL_REJECTED:
        concerned = endpoint if status == FORBIDDEN else credential
        why = "no access token could be had" if status is None else f"the provider refuses our credential ({status})"
        if _refused(gateway, _subject(concerned, key)) >= REFUSALS_TO_SWITCH_OFF:
            count = len(gateway.keyrings.get(candidate.endpoint.provider, ()))
            gateway.health.switch_off(_concerned(gateway, concerned), why, now_s, key, count)
            _raise(gateway, _subject(concerned, key), why, now_s)
    elif outcome is Outcome.NOT_OFFERED and _refused(gateway, endpoint) >= REFUSALS_TO_SWITCH_OFF:
        _raise(gateway, endpoint, "the provider does not have this model (404)", now_s)


def mended(gateway: Gateway, provider: str, now_s: float) -> None:
    """The operator has changed a provider: what was switched off for its old keys is tried anew, at once."""
    endpoints = {
        each.id for offer in gateway.market.offers.values() for each in offer.live if each.provider == provider
    }
    for subject in [each for each in (*gateway.alarms, *gateway.refusals) if _is_of(each, provider, endpoints)]:
        gateway.alarms.pop(subject, None)
        gateway.refusals.pop(subject, None)
    gateway.health.forget(endpoints)


def _is_of(subject: str, provider: str, endpoints: set[str]) -> bool:
    named = subject.partition(" ")[0]
    return named == provider or named in endpoints


def _subject(concerned: str, key: int) -> str:
    """What the alarm is about, in words: of several keys it names one by its place, never by itself."""
    return f"{concerned} {label(key)}" if key else concerned


def _works(gateway: Gateway, concerned: str, key: int, began_s: float, now_s: float) -> None:
    subject = _subject(concerned, key)
    alarm = gateway.alarms.get(subject)
    if alarm is not None and began_s < alarm.since_s:
        return
    gateway.refusals.pop(subject, None)
    if alarm is not None:
        del gateway.alarms[subject]
        gateway.health.switch_on(_concerned(gateway, concerned), now_s, key)
        log.warning("alarm over", subject=subject)


def _refused(gateway: Gateway, subject: str) -> int:
    count = gateway.refusals[subject] = gateway.refusals.get(subject, 0) + 1
    return count


def _raise(gateway: Gateway, subject: str, text: str, now_s: float) -> None:
    if subject not in gateway.alarms:
        gateway.alarms[subject] = Alarm(subject, text, now_s)
        log.error("alarm: switched off until it works again", subject=subject, why=text)


def _concerned(gateway: Gateway, concerned: str) -> list[str]:
    """The live endpoints that use a provider's credential; or the one endpoint that is meant itself."""
    offers = gateway.market.offers.values()
    using = [each.id for offer in offers for each in offer.live if each.provider == concerned]
    return [id_ for id_ in using if id_ not in gateway.credentials] or [concerned]


def _credential(gateway: Gateway, candidate: Candidate) -> str:
    """A deployment's own key is its endpoint's, any other the provider's."""
    endpoint = candidate.endpoint
    return endpoint.id if endpoint.id in gateway.credentials else endpoint.provider
