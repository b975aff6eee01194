"""What a finished request leaves behind besides its bill: counters for the metrics."""

from tollway.domain.generation import Generation
from tollway.gateway.auto import remember
from tollway.gateway.base import Gateway
from tollway.gateway.run import ChatRun, Run
from tollway.routing.keyring import label
from tollway.routing.sticky import cached_models, conversation_of, is_worth_keeping


def record(gateway: Gateway, run: Run, generation: Generation, *, durable: bool) -> None:
    """Counts a finished request. Integers in memory: nothing here formats or waits."""
    metrics, usage = gateway.metrics, generation.usage
    metrics.generations += 1
    metrics.tokens_prompt += usage.prompt
    metrics.tokens_completion += usage.completion
    if durable:
        metrics.charged += generation.cost
    if generation.absorbed:
        metrics.absorbed += generation.absorbed
    if generation.usage_flag:
        metrics.usage_flags += 1
    if generation.cancelled:
        metrics.cancelled += 1
    if run.error is not None or not durable:
        metrics.failed += 1
    if run.candidate is not None and (tokens := usage.prompt + usage.completion):
        gateway.health.paid(run.candidate.endpoint.id, tokens, generation.cost, gateway.loop.time())
    if durable and generation.own_cost:
        gateway.own.allowance.count(generation.workspace_id, generation.created_ms)
    if isinstance(run, ChatRun):
        _stick(gateway, run)
        if run.plan.routed is not None:
            remember(gateway, run)
    for attempt in run.attempts:
        pair = (attempt.provider, attempt.outcome)
        try:
            metrics.attempts[pair] += 1
        except KeyError:
            metrics.attempts[pair] = 1
        if attempt.key:
            labels = (attempt.provider, label(attempt.key), attempt.outcome)
            metrics.key_attempts[labels] = metrics.key_attempts.get(labels, 0) + 1


def _stick(gateway: Gateway, run: ChatRun) -> None:
    """Remembers where the conversation's prompt cache is now, where a cached prompt is cheaper."""
    candidate = run.candidate
    if candidate is None or run.left:
        return
    model = candidate.endpoint.model_id
    offer = run.market.offers.get(model)
    if offer is None or not offer.caches or model not in cached_models(run.request, run.market):
        return
    conversation, named = conversation_of(run.request, run.caller.workspace_id)
    if run.error is not None:
        gateway.sticky.forget(conversation, model, candidate.endpoint.id)
    elif is_worth_keeping(named, run.usage):
        gateway.sticky.keep(conversation, model, candidate.endpoint.id, gateway.loop.time())
