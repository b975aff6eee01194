"""Metrics: integers in memory, turned into Prometheus text when somebody asks."""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tollway.domain.money import NANO


class Metrics:
    """Counters since the start. Labels are few: never a user, and of a key only its place."""

    def __init__(self) -> None:
        self.generations = 0
        self.failed = 0
        self.cancelled = 0
        self.tokens_prompt = 0
        self.tokens_completion = 0
        self.charged = 0
        self.absorbed = 0
        self.alarms = 0
        self.usage_flags = 0
        self.limited = 0
        self.hedges = 0
        self.hedges_won = 0
        self.attempts: dict[tuple[str, str], int] = {}
        self.key_attempts: dict[tuple[str, str, str], int] = {}
        """Provider, `key 2`, outcome: of providers with several keys only."""
        self.responses: dict[int, int] = {}
        """HTTP status -> answers, of the inference URLs."""
        self.gauges: dict[str, tuple[str, Callable[[], float]]] = {}
        """Name -> (help, how to read it now): set by app.py."""


class _Collector(Collector):
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        metrics = self._metrics
        for name, text, value in (
            ("generations", "Admitted requests that ended", metrics.generations),
            ("generations_failed", "Admitted requests that ended with an error", metrics.failed),
            ("generations_cancelled", "Admitted requests whose caller left", metrics.cancelled),
            ("tokens_prompt", "Prompt tokens", metrics.tokens_prompt),
            ("tokens_completion", "Output tokens", metrics.tokens_completion),
            ("charged_usd", "Captured, in USD", metrics.charged / NANO),
            ("absorbed_usd", "What providers cost us and nobody pays, in USD", metrics.absorbed / NANO),
            ("billing_alarms", "Bills that an operator must look at", metrics.alarms),
            ("usage_flags", "Answers whose token counts were far above ours", metrics.usage_flags),
            ("limited", "Requests refused by a limit of ours", metrics.limited),
            ("hedges", "Requests that a second endpoint was asked for as well", metrics.hedges),
            ("hedges_won", "Hedges whose answer was the one that was given", metrics.hedges_won),
        ):
            yield CounterMetricFamily(f"tollway_{name}", text, value=value)
        attempts = CounterMetricFamily("tollway_attempts", "Tries at providers", labels=("provider", "outcome"))
        for (provider, outcome), count in metrics.attempts.items():
            attempts.add_metric((provider, outcome), count)
        yield attempts
        with_keys = CounterMetricFamily(
            "tollway_key_attempts", "Tries at providers with several keys", labels=("provider", "key", "outcome")
        )
        for labels, count in metrics.key_attempts.items():
            with_keys.add_metric(labels, count)
        yield with_keys
        responses = CounterMetricFamily("tollway_responses", "Answers of inference URLs", labels=("status",))
        for status, count in metrics.responses.items():
            responses.add_metric((str(status),), count)
        yield responses
        for name, (text, read) in metrics.gauges.items():
            yield GaugeMetricFamily(f"tollway_{name}", text, value=read())


def prometheus_text(metrics: Metrics) -> bytes:
    """The exposition in Prometheus text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(metrics))
    return generate_latest(registry)
