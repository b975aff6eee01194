"""Which limits a request meets: one row for each, from the settings and what is known of the request."""

import ipaddress
from collections.abc import Iterator
from functools import lru_cache

from msgspec import Struct

from tollway.domain.money import NANO, Nanodollars
from tollway.limits.gcra import SECOND_NS, Rate, Want, per_minute, rate
from tollway.limits.settings import Limits

IPV6_SUBSCRIBER_BITS = 64
"""What a subscriber is given at least (RFC 6177): a limit for less could be walked around."""
FREE_PER_MIN, FREE_PER_DAY = "free-models-per-min", "free-models-per-day"
"""OpenRouter's words."""
GUESTS_PER_DAY = "requests per day without a key, of all together"


class Asked(Struct, frozen=True):
    """What the limits want to know of a request."""

    key_id: str
    workspace_id: str
    free: bool
    """One of the models that it names is a `:free` one."""
    daily: int
    """How many of these, or of a guest's requests, the workspace may have in a day; 0: any number."""
    credits: Nanodollars
    """What the key may spend."""
    tokens: int
    """Of the prompt, estimated, and of the answer, as far as the request bounds it."""
    address: str | None = None
    key_rpm: int | None = None
    """The key's own limit, in place of the configured one."""
    workspace_rpm: int | None = None
    """The same of the workspace."""
    guest: bool = False
    """Who asks has no key."""
    visitor: str | None = None
    """A guest whom the site knows again, wherever from."""
    rpm_cap: int | None = None
    """The caller's own ceiling for its key's calls that carry it (CPEN)."""


def wants(limits: Limits, asked: Asked) -> Iterator[Want]:
    """What the request takes of each bucket: one of those for requests, its tokens of those for tokens."""
    workspace, burst_s = asked.workspace_id, limits.burst_s
    key = subscriber_of(asked.address or "") if asked.guest else asked.key_id
    if asked.rpm_cap:
        yield Want(("cap", key, asked.rpm_cap), _per_minute(asked.rpm_cap, 60.0), "requests per minute by rpm_cap")
    if of_key := asked.key_rpm or limits.key_rpm:
        yield Want(("key", key), _per_minute(of_key, burst_s), "requests per minute for this key")
    if of_workspace := asked.workspace_rpm or limits.workspace_rpm:
        said = "requests per minute for this workspace"
        yield Want(("workspace", workspace), _per_minute(of_workspace, burst_s), said)
    if limits.address_rpm and asked.address:
        said = "requests per minute from this address"
        yield Want(("address", subscriber_of(asked.address)), _per_minute(limits.address_rpm, burst_s), said)
    if asked.guest:
        if limits.guest_rpm:
            said = "requests per minute without a key"
            yield Want(("guest", key), _per_minute(limits.guest_rpm, burst_s), said)
            if asked.visitor:
                yield Want(("visitor", asked.visitor), _per_minute(limits.guest_rpm, burst_s), said)
    elif asked.free:
        if limits.free_rpm:
            yield Want(("free", workspace), _per_minute(limits.free_rpm, burst_s), FREE_PER_MIN)
    elif (of_credits := credit_rate(limits, asked.credits)) is not None:
        yield Want(("credits", workspace), of_credits, "requests per second by the credits that are left")
    for bucket, count, owner in (
        ("key tokens", limits.key_tpm, key),
        ("workspace tokens", limits.workspace_tpm, workspace),
    ):
        if count:
            of_tokens = _per_minute(count, burst_s)
            said = f"tokens per minute for this {bucket.partition(' ')[0]}"
            # A request that is larger than the whole limit goes through when all of it is there.
            yield Want((bucket, owner), of_tokens, said, min(asked.tokens, of_tokens.burst), of_tokens=True)


def want_of_model(limits: Limits, workspace_id: str, model: str) -> Want | None:
    """What a request takes of the limit for a model that it asks; None: there is none."""
    count = limits.models_rpm.get(model, limits.model_rpm)
    if not count:
        return None
    said = f"requests per minute for {model}"
    return Want(("model", workspace_id, model), _per_minute(count, limits.burst_s), said)


def slots(limits: Limits, asked: Asked) -> Iterator[tuple[tuple[str, str], int, str]]:
    """Of whom requests at once are counted, how many there may be, and the limit in words."""
    if limits.key_at_once:
        yield ("key", asked.key_id), limits.key_at_once, "requests at once for this key"
    if limits.workspace_at_once:
        yield ("workspace", asked.workspace_id), limits.workspace_at_once, "requests at once for this workspace"


def credit_rate(limits: Limits, credits_: Nanodollars) -> Rate | None:
    """Requests a second for who may spend so much: whole ones, at least one, at most the surge. None: no limit."""
    if not limits.credit_rps:
        return None
    whole = -(-max(0, credits_) // NANO)
    return _per_second(max(1, min(limits.surge_rps, int(whole * limits.credit_rps))), limits.burst_s)


@lru_cache(1024)
def _per_minute(count: int, burst_s: float) -> Rate:
    return per_minute(count, burst_s)


@lru_cache(1024)
def _per_second(count: int, burst_s: float) -> Rate:
    return rate(count, SECOND_NS, burst_s)


def subscriber_of(address: str) -> str:
    """An address, or the network that one subscriber has of IPv6; what is neither (a Unix socket) is left as it is."""
    if ":" not in address:
        return address
    try:
        found = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)  # as a socket for both kinds of addresses has it
    return str(ipaddress.ip_network((int(found), IPV6_SUBSCRIBER_BITS), strict=False))
