"""Which of a provider's keys an attempt is made with, where the operator holds several."""

from tollway.domain.routing import Candidate
from tollway.gateway.base import Gateway
from tollway.gateway.run import Run
from tollway.routing.fallback import Failure
from tollway.routing.keyring import OF_A_KEY


def count_of(gateway: Gateway, endpoint_id: str, provider: str) -> int:
    """How many keys an endpoint has; 0: one, or none. A deployment's own key is the only one that fits it."""
    keys = gateway.keyrings.get(provider)
    return 0 if keys is None or endpoint_id in gateway.credentials else len(keys)


def key_for(gateway: Gateway, run: Run, candidate: Candidate, now_s: float) -> int:
    """The number of the key for the next attempt at a candidate: not one that has failed this request already."""
    endpoint = candidate.endpoint
    if candidate.credential is not None:
        return 0  # it is called with the caller's own
    if not (count := count_of(gateway, endpoint.id, endpoint.provider)):
        return 0
    return gateway.health.choose_key(endpoint.id, count, now_s, _tried(run, endpoint.id))


def has_other_key(gateway: Gateway, run: Run, candidate: Candidate, failure: Failure, now_s: float) -> bool:
    """Whether it was the key that failed, and the endpoint has another one that can be used."""
    if failure.outcome not in OF_A_KEY or not run.key:
        return False
    endpoint_id = candidate.endpoint.id
    return gateway.health.has_other_key(endpoint_id, now_s, _tried(run, endpoint_id))


def _tried(run: Run, endpoint_id: str) -> set[int]:
    return {attempt.key for attempt in run.attempts if attempt.endpoint_id == endpoint_id}
