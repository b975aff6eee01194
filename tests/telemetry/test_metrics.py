"""Metrics: a Prometheus server can read them, and they say what was counted."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tollway.domain.health import Outcome
from tollway.domain.money import NANO
from tollway.telemetry.metrics import Metrics, prometheus_text


def samples(metrics: Metrics) -> list[Sample]:
    """The exposition as the parser of Prometheus's own client reads it."""
    families = text_string_to_metric_families(prometheus_text(metrics).decode())
    return [sample for family in families for sample in family.samples]


def values(metrics: Metrics) -> dict[str, float]:
    """Name with labels -> value."""
    return {f"{one.name}{sorted(one.labels.items()) or ''}": one.value for one in samples(metrics)}


def test_at_the_start_everything_is_there_and_zero() -> None:
    """A counter that has counted nothing is shown as zero, so that an alert on it can be written."""
    assert values(Metrics()) == {
        "tollway_generations_total": 0,
        "tollway_generations_failed_total": 0,
        "tollway_generations_cancelled_total": 0,
        "tollway_tokens_prompt_total": 0,
        "tollway_tokens_completion_total": 0,
        "tollway_charged_usd_total": 0,
        "tollway_limited_total": 0,
        "tollway_usage_flags_total": 0,
        "tollway_absorbed_usd_total": 0,
        "tollway_billing_alarms_total": 0,
        "tollway_hedges_total": 0,
        "tollway_hedges_won_total": 0,
    }


def test_what_was_counted_is_what_is_read() -> None:
    """Counters, labels and gauges arrive with their values; gauges are read at that moment."""
    metrics = Metrics()
    metrics.generations, metrics.failed, metrics.cancelled, metrics.alarms = 7, 2, 1, 3
    metrics.tokens_prompt, metrics.tokens_completion = 1_000, 2**53
    metrics.charged, metrics.absorbed = 1_500_000_000, 1
    metrics.attempts = {("acme", Outcome.SUCCEEDED.value): 5, ("acme", Outcome.TIMED_OUT.value): 2}
    metrics.responses = {200: 5, 429: 1}
    now = [1.5]
    metrics.gauges["open_streams"] = ("Streams that are open", lambda: now[0])
    found = values(metrics)
    assert found["tollway_generations_total"] == 7
    assert found["tollway_tokens_completion_total"] == 2**53
    assert found["tollway_charged_usd_total"] == 1.5
    assert found["tollway_absorbed_usd_total"] == 1 / NANO
    assert found["tollway_billing_alarms_total"] == 3
    assert found["tollway_attempts_total[('outcome', 'succeeded'), ('provider', 'acme')]"] == 5
    assert found["tollway_attempts_total[('outcome', 'timed_out'), ('provider', 'acme')]"] == 2
    assert found["tollway_responses_total[('status', '429')]"] == 1
    assert found["tollway_open_streams"] == 1.5
    now[0] = 2.0
    assert values(metrics)["tollway_open_streams"] == 2.0


def test_every_family_has_its_help_and_type() -> None:
    """Someone who meets a metric finds in its text what it counts."""
    metrics = Metrics()
    metrics.gauges["held_usd"] = ("Promised to requests under way", lambda: 0.0)
    families = list(text_string_to_metric_families(prometheus_text(metrics).decode()))
    assert all(family.documentation for family in families)
    assert {family.type for family in families} == {"counter", "gauge"}
    assert all(family.name.startswith("tollway_") for family in families)
    assert len({family.name for family in families}) == len(families) == 16


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", "", "über/€", "a{b}", " "])
def test_hostile_labels(name: str) -> None:
    """A provider's slug from the configuration may hold anything: the text stays readable, the label as it was."""
    metrics = Metrics()
    metrics.attempts = {(name, "succeeded"): 1}
    [sample] = [one for one in samples(metrics) if one.name == "tollway_attempts_total"]
    assert sample.labels == {"provider": name, "outcome": "succeeded"}


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**18), st.dictionaries(st.integers(100, 599), st.integers(0, 10**12), max_size=5))
def test_any_numbers(charged: int, responses: dict[int, int]) -> None:
    """Whatever was counted can be read, as exactly as a float can hold it."""
    metrics = Metrics()
    metrics.charged, metrics.responses = charged, responses
    found = values(metrics)
    assert found["tollway_charged_usd_total"] == charged / NANO
    assert {name: value for name, value in found.items() if "responses" in name} == {
        f"tollway_responses_total[('status', '{status}')]": count for status, count in responses.items()
    }
