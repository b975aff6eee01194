"""What a finished request leaves behind besides its bill: counters for the metrics."""

from tollway.domain.generation import Generation
from tollway.gateway.base import Gateway
from tollway.gateway.run import Run


def record(gateway: Gateway, run: Run, generation: Generation, *, durable: bool) -> None:
    """Counts a finished request. Integers in memory: nothing here formats or waits."""
    metrics = gateway.metrics
    metrics.generations += 1
    metrics.tokens_prompt += generation.usage.prompt
    metrics.tokens_completion += generation.usage.completion
    if durable:
        metrics.charged += generation.cost
    metrics.absorbed += generation.absorbed
    if generation.cancelled:
        metrics.cancelled += 1
    if run.error is not None or not durable:
        metrics.failed += 1
    for attempt in run.attempts:
        pair = (attempt.provider, attempt.outcome.value)
        metrics.attempts[pair] = metrics.attempts.get(pair, 0) + 1
