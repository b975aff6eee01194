"""Moderation: a model that requires it is asked only after another one has judged what goes into the request.

Judged once for each request, with the server's own keys and at the operator's cost, when the first candidate whose
model requires it is about to be asked; who is asked before it costs nobody a judgement.
"""

import asyncio
import math
import time
from collections.abc import Sequence
from typing import Any

import msgspec
import structlog
from msgspec import Struct, structs

from tollway.domain.catalog import Model, Operation
from tollway.domain.chat import ChatRequest, ImagePart, ImageUrl, Preferences
from tollway.domain.errors import Forbidden, TollwayError, Unavailable
from tollway.domain.events import Event
from tollway.domain.moderation import Flagged, ModerationSettings, Verdict, shortened
from tollway.domain.plain import INPUTS_MAX, Input, ModerationAnswer, ModerationRequest
from tollway.domain.routing import Candidate
from tollway.domain.standing import Ruling
from tollway.gateway.base import Gateway
from tollway.gateway.execute import ask_in_turn
from tollway.gateway.filtering import LONG_BYTES
from tollway.gateway.plain import attempt_plain
from tollway.gateway.run import ChatRun, PlainRun, Run
from tollway.limits.content_filters import texts_of
from tollway.routing.fallback import NextCandidate, Stop
from tollway.routing.health import Sight
from tollway.routing.market import Market
from tollway.routing.patterns import Patterns
from tollway.routing.plan import make_plan

log = structlog.get_logger(__name__)

IMAGES_MAX = 16
"""Of one request; each is a call of its own, because OpenAI judges one image at a time."""
BYTES_PER_TOKEN = 4
UNSAID = "unspecified"
"""The reason where an input is flagged and no category is."""
NOBODY, SILENT, NONSENSE, MANY = (
    "no moderation endpoint may be asked for it",
    "the moderation endpoint did not answer",
    "the moderation endpoint answered with something else than a judgement",
    f"it has more than {INPUTS_MAX} texts or {IMAGES_MAX} images, which nobody judges",
)
_FREE = 2**62
"""The judgement is not paid from anybody's balance."""


class _Judged(Struct):
    """One result of a moderation model, in OpenAI's shape."""

    flagged: bool
    categories: dict[str, Any] = {}


_judged = msgspec.json.Decoder(_Judged)


class Moderation:
    """Which models require it, and who judges."""

    def __init__(self, settings: ModerationSettings) -> None:
        self._settings = settings
        self._models = Patterns(settings.models)

    def is_required_by(self, model: Model) -> bool:
        """Whether requests for a model are judged before it is asked."""
        return model.operation is Operation.CHAT and self._models.match(model.id)

    def has_judge(self, market: Market) -> bool:
        """Whether there is anybody to be asked for a judgement."""
        offer = market.offer(self._settings.model)
        return offer is not None and offer.operation is Operation.MODERATION and bool(offer.live)

    async def judged(self, gateway: Gateway, run: Run, index: int) -> NextCandidate | Stop:
        """The first candidate from `index` on that may be asked; or the error that ends the request."""
        candidate = run.plan.candidates[index]
        if not isinstance(run, ChatRun) or not self._models.match(candidate.endpoint.model_id):
            return NextCandidate(index)
        if run.verdict is None:
            began_s = time.perf_counter()  # the loop's clock stands still within one of its turns
            run.verdict = await self._verdict(gateway, run)
            run.moderation_ms = math.ceil((time.perf_counter() - began_s) * 1000)
        verdict = run.verdict
        if verdict.flagged is None and (verdict.failed is None or self._settings.on_failure == "allow"):
            return NextCandidate(index)
        for following in range(index + 1, len(run.plan.candidates)):
            other = run.plan.candidates[following]
            if not other.escalated and not self._models.match(other.endpoint.model_id):
                return NextCandidate(following)
        return Stop(_refusal(candidate, verdict, run.market.name_of(candidate.endpoint.provider)))

    async def _verdict(self, gateway: Gateway, run: ChatRun) -> Verdict:
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                verdict = await self._judge(gateway, run)
        except TimeoutError:
            verdict = Verdict(failed=SILENT)
        if verdict.failed is not None:
            log.warning("moderation failed", generation=run.id, model=self._settings.model, fault=verdict.failed)
        return verdict

    async def _judge(self, gateway: Gateway, run: ChatRun) -> Verdict:
        """Texts in one call, each image in one of its own, all at once."""
        if run.prompt_tokens * BYTES_PER_TOKEN <= LONG_BYTES:
            texts = texts_of(run.request)
        else:
            texts = await gateway.loop.run_in_executor(None, texts_of, run.request)
        urls = _images_of(run.request) if self._sees_images(gateway) else ()
        if len(texts) > INPUTS_MAX or len(urls) > IMAGES_MAX:
            return Verdict(failed=MANY)
        asked: list[tuple[Sequence[str], tuple[Input, ...]]] = [(texts, texts)] if texts else []
        asked += [((url,), ((ImagePart(image_url=ImageUrl(url=url)),),)) for url in urls]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._ask(gateway, run, shown, inputs)) for shown, inputs in asked]
        verdicts = [task.result() for task in tasks]
        bad = [each for each in verdicts if each.flagged is not None] or [each for each in verdicts if each.failed]
        return bad[0] if bad else Verdict()

    def _sees_images(self, gateway: Gateway) -> bool:
        offer = gateway.market.offer(self._settings.model)
        return offer is not None and any("image" in each.input_modalities for each in offer.live)

    async def _ask(self, gateway: Gateway, run: ChatRun, shown: Sequence[str], inputs: tuple[Input, ...]) -> Verdict:
        """One call: a chat's own wishes and rulings on data bind it, and no others; it is not recorded or charged."""
        model, wishes, standing = self._settings.model, run.request.provider, run.caller.key.standing
        request = ModerationRequest(
            inputs=inputs, alone=len(inputs) == 1, model=model, provider=_on_data(wishes) if wishes else None
        )
        try:
            plan = make_plan(
                request,
                gateway.market,
                prompt_tokens=0,
                prompt_bound=0,
                available=_FREE,
                sight=Sight(gateway.health, gateway.loop.time()),
                policy=gateway.policy,
                dice=gateway.dice,
                rulings=_data_rulings(standing.rulings) if standing else (),
            )
        except TollwayError:  # not in the catalog, or no moderation model
            return Verdict(failed=NOBODY)
        if not plan.candidates:
            return Verdict(failed=NOBODY)
        call = PlainRun(
            run.caller,
            request,
            plan,
            gateway.market,
            run.origin,
            gateway.now_ms(),
            gateway.loop.time(),
            prompt_tokens=0,
        )
        call.id = run.id
        await ask_in_turn(gateway, call, _Nowhere(), attempt_plain)
        if not isinstance(call.answer, ModerationAnswer):
            return Verdict(failed=SILENT)
        return _read(shown, call.answer)


class _Nowhere:
    """A judgement is no content for anybody."""

    async def send(self, candidate: Candidate, events: Sequence[Event]) -> None:
        pass


def _read(shown: Sequence[str], answer: ModerationAnswer) -> Verdict:
    """What was found in the first input that is flagged."""
    for text, result in zip(shown, answer.results, strict=True):
        try:
            found = _judged.decode(result)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return Verdict(failed=NONSENSE)
        if found.flagged:
            reasons = tuple(name for name, is_so in found.categories.items() if is_so is True)
            return Verdict(Flagged(reasons or (UNSAID,), shortened(text)))
    return Verdict()


def _refusal(candidate: Candidate, verdict: Verdict, provider: str) -> TollwayError:
    """What the caller of a model that requires moderation is told (OpenRouter, "Errors", moderation errors).

    `provider`: the name of who would have been asked.
    """
    model = candidate.alias or candidate.endpoint.model_id
    whose = {"provider_name": provider, "model_slug": model}
    if verdict.flagged is None:
        return Unavailable(
            f"{model} requires moderation, and {verdict.failed}. You are not charged; try again, or ask another model.",
            retry_after_s=5,
            metadata=whose,
        )
    reasons = list(verdict.flagged.reasons)
    found = ", ".join(reasons)
    return Forbidden(
        f"{model} requires moderation, and your input was flagged for {found}. You are not charged for it.",
        metadata={"reasons": reasons, "flagged_input": verdict.flagged.input, **whose},
    )


def _on_data(wishes: Preferences) -> Preferences:
    return Preferences(data_collection=wishes.data_collection, zdr=wishes.zdr)


def _data_rulings(rulings: Sequence[Ruling]) -> tuple[Ruling, ...]:
    """What is ruled on data, whoever's models it is about: the input is the same wherever it goes."""
    return tuple(
        structs.replace(
            each,
            preferences=_on_data(each.preferences),
            allowed_models=None,
            ignored_models=(),
            authors=None,
            free=None,
        )
        for each in rulings
        if each.preferences.data_collection == "deny" or each.preferences.zdr
    )


def _images_of(request: ChatRequest) -> tuple[str, ...]:
    """The images of a request, each once."""
    return tuple(
        dict.fromkeys(
            part.image_url.url
            for message in request.messages
            if isinstance(message.content, tuple)
            for part in message.content
            if isinstance(part, ImagePart)
        )
    )
