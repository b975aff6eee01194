"""`POST /v1/extractions`: JSON that is valid against the caller's schema, in one round or two; each is metered."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from tollway.api.chat import Inference
from tollway.api.cpen import route_json
from tollway.api.exchange import Exchange
from tollway.api.storefronts.base import JSON, lines_of
from tollway.api.storefronts.openai import OPENAI
from tollway.billing.pricing import Cost
from tollway.domain.caps import PriceRouting
from tollway.domain.chat import ChatRequest
from tollway.domain.errors import ExtractionFailed, TollwayError
from tollway.domain.events import Answer, Event
from tollway.domain.generation import Usage
from tollway.domain.identity import Caller
from tollway.domain.money import usd
from tollway.domain.routing import Candidate
from tollway.gateway.chat import complete
from tollway.gateway.run import Run
from tollway.gateway.schema_checks import TOO_LONG, Checked, TooLong
from tollway.gateway.sink import NO_LIMITS, Answered
from tollway.wire import extraction
from tollway.wire.extraction import Fault

PATH = "/v1/extractions"
NOT_VALID = "The model's answer is not valid against the schema"
UNKNOWN = "Whether the model's answer is valid against the schema is not known"
CHARGED = {1: "its one round was charged.", 2: "after one round of repair; both rounds were charged."}


class Round:
    """A sink that keeps one whole answer."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.id = ""
        self.limits = NO_LIMITS
        self.found: tuple[Candidate, Answer, Usage, Cost] | None = None
        self.error: TollwayError | None = None

    @property
    def text(self) -> str:
        """What the model said."""
        answer = self.found[1] if self.found else None
        return (answer.choices[0].text or "") if answer and answer.choices else ""

    def begin(self, generation_id: str, created_s: int, limits: Mapping[str, str], run: Run) -> None:
        self.limits = limits
        self.id = OPENAI.show_id(generation_id)

    def on_left(self, callback: Callable[[], None]) -> None:
        self._exchange.on_gone(callback)

    async def send(self, candidate: Candidate, events: Sequence[Event]) -> None:
        raise RuntimeError("an extraction is not streamed")

    async def finish(self, candidate: Candidate, answer: Answered | None, usage: Usage, cost: Cost) -> None:
        if isinstance(answer, Answer):
            self.found = (candidate, answer, usage, cost)

    async def fail(self, error: TollwayError) -> None:
        self.error = error


class Extractions(Inference):
    """Each round is a chat request of its own: routed, held and charged as every other."""

    async def _answer(self, exchange: Exchange) -> None:
        house = self._house
        caller = await house.authenticator.authenticate_inference(exchange.header, house.proxies.client_of(exchange))
        body = await exchange.body(house.config.server.request_max_bytes)
        request = extraction.decode_request(body)
        await house.schemas.check_schema(request.schema)
        chat = extraction.chat_of(request)
        rounds = [await self._round(exchange, caller, chat)]
        found, why = await self._check(request.schema, rounds[0].text), NOT_VALID
        if found is not None and found.faults and rounds[0].found is not None:
            try:
                again = extraction.repaired(chat, rounds[0].text, found.faults)
                rounds.append(await self._round(exchange, caller, again))
                found = await self._check(request.schema, rounds[1].text)
            except TollwayError as refused:
                why = f"{NOT_VALID}, and could not be repaired ({refused.message.rstrip('.')})"
        if rounds[-1].found is None:
            return  # the caller left
        said = self._said(rounds, request.routing or PriceRouting())
        if found is not None and not found.faults:
            said |= {"output": found.output, "cpen_status": "completed"}
            await exchange.respond(200, [*JSON, *lines_of(rounds[-1].limits)], msgspec.json.encode(said))
            return
        if found is None:
            found, why = Checked(faults=(Fault("", TOO_LONG),)), UNKNOWN
        error = ExtractionFailed(
            f"{why}; {CHARGED[len(rounds)]}",
            metadata={
                "errors": found.faults,
                "raw": rounds[-1].text,
                "cost": said["usage"]["cost"],
                "generation_ids": said["rounds"],
            },
        )
        failed = OPENAI.error_body(error, error.status) | {**said, "cpen_status": "failed"}
        await exchange.respond(error.status, list(JSON), msgspec.json.encode(failed))

    async def _check(self, schema: dict[str, Any], text: str) -> Checked | None:
        """None: it would take too long to know."""
        try:
            return await self._house.schemas.check(schema, text)
        except TooLong:
            return None

    async def _round(self, exchange: Exchange, caller: Caller, chat: ChatRequest) -> Round:
        """TollwayError: it was refused, or every candidate failed. Nothing is found where the caller left."""
        done = Round(exchange)
        size = len(msgspec.json.encode(chat))
        await complete(self._house.gateway, caller, chat, size, self._origin, done)
        if done.error is not None:
            raise done.error
        return done

    def _said(self, rounds: Sequence[Round], routing: PriceRouting) -> dict[str, Any]:
        """What success and failure have in common; usage is that of all rounds."""
        found = [each.found for each in rounds if each.found is not None]
        candidate, _, usage, _ = found[-1]
        prompt, completion = (sum(each[2].prompt for each in found), sum(each[2].completion for each in found))
        return {
            "id": rounds[-1].id,
            "object": "extraction",
            "created": int(time.time()),
            "model": candidate.alias or candidate.endpoint.model_id,
            "usage": {
                "prompt_tokens": prompt,
                "completion_tokens": completion,
                "total_tokens": prompt + completion,
                "cost": usd(sum(each[3].total for each in found)),
            },
            "rounds": [each.id for each in rounds],
            "cpen_route": route_json(candidate, usage, routing, self._house.gateway.market, "extraction"),
        }
