"""Requests for `openrouter/auto`: the model that the conversation had, the choice, and what is remembered of it."""

from tollway.domain.chat import ChatRequest
from tollway.domain.routing import Routed
from tollway.domain.standing import Standing
from tollway.gateway.admit import by_bytes
from tollway.gateway.base import Gateway
from tollway.gateway.run import ChatRun
from tollway.routing.auto import asks_auto, choice_key
from tollway.routing.health import Glance
from tollway.routing.sticky import conversation_of


def routed(
    gateway: Gateway, request: ChatRequest, body_bytes: int, workspace_id: str | None, standing: Standing | None
) -> tuple[ChatRequest, Routed | None]:
    """A request that names auto -> the same for the models that were picked; another as it is.

    `workspace_id`: whose conversations count; None: nobody's. `standing`: what the workspace rules. NoEndpoints,
    InvalidRequest: as `AutoRouter.route`.
    """
    router = asks_auto(request)
    if router is None:
        return request, None
    now_s = gateway.loop.time()
    kept: str | None = None
    if workspace_id is not None and len(gateway.chosen):
        conversation, _ = conversation_of(request, workspace_id)
        key = choice_key(request, router)
        kept = gateway.chosen.kept(conversation, (key,), now_s).get(key)
    prompt_tokens, _ = by_bytes(request, body_bytes)
    sight = Glance(gateway.health, now_s)
    rulings = standing.rulings if standing else ()
    return gateway.auto.route(request, gateway.market, sight, prompt_tokens=prompt_tokens, kept=kept, rulings=rulings)


def remember(gateway: Gateway, run: ChatRun) -> None:
    """The conversation stays with the model that has answered it, from its first success on; a failure ends that."""
    found, candidate = run.plan.routed, run.candidate
    if found is None or candidate is None or run.left:
        return
    model = candidate.endpoint.model_id
    conversation, _ = conversation_of(run.request, run.caller.workspace_id)
    key = choice_key(run.request, found.router)
    if run.error is not None:
        gateway.chosen.forget(conversation, key, model)
    elif model in found.models:
        gateway.chosen.keep(conversation, key, model, gateway.loop.time())
