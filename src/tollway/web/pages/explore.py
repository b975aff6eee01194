"""`/explore`: which endpoints a request would be sent to, how likely each, at what price, and why others are out.

A form builds the request; nothing is sent. Who is signed in sees what the settings of their own workspace come to. The
same request can be copied, for `POST /api/v1/route`.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Literal, cast

import msgspec
from msgspec import Struct
from starlette.requests import Request

from tollway.domain.chat import (
    ChatRequest,
    JsonSchema,
    MaxPrice,
    Preferences,
    ResponseFormat,
    Tool,
    ToolFunction,
    UserMessage,
)
from tollway.domain.errors import TollwayError
from tollway.domain.money import Attodollars
from tollway.routing.explain import ANSWER_TOKENS, Explanation, LeftOut, Listed, Prompt, Ranked
from tollway.web.figures import amount, seconds, usd_per_million
from tollway.web.page import Personal, Site
from tollway.web.pages.home import sample_model

SORTS = {
    "": "the balance of price, errors and speed",
    "price": "price",
    "latency": "first token",
    "throughput": "speed",
}
PROMPT_TOKENS = 1000
PROMPT_MAX = 10_000_000
PRICE = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,12})?", re.ASCII)
MODEL_MAX = 256
CAPS_MAX = 60
"""Steps of a slider of price caps."""
TOOL = Tool(function=ToolFunction("look_up", parameters={"type": "object", "properties": {}}))
SCHEMA = ResponseFormat("json_schema", JsonSchema("answer", schema={"type": "object"}))


class Wishes(Struct, frozen=True):
    """The form: nothing in a URL is an error; what makes no sense is left out."""

    model: str
    prompt_tokens: int
    max_prompt: str
    """USD per 1M tokens, as typed; "": no cap. So is `max_completion`."""
    max_completion: str
    sort: str
    tools: bool
    json: bool
    """A JSON schema is asked for."""
    private: bool
    """No provider that may train on prompts."""
    zdr: bool


class Tried(Struct, frozen=True):
    """An endpoint that would be tried."""

    rank: int
    provider: str
    model: str
    share: int
    """Percent of requests that it is asked first."""
    price_input: str
    price_output: str
    estimated: str
    first: str
    reason: str
    down: str


class Out(Struct, frozen=True):
    """An endpoint that would not, and the sentence of the rule."""

    provider: str
    model: str
    rule: str
    reason: str


class ExploreView(Struct, frozen=True):
    """What `explore.html` shows."""

    wishes: Wishes
    sorts: dict[str, str]
    answer_tokens: int
    tried: tuple[Tried, ...]
    out: tuple[Out, ...]
    expected: str
    """What the request would cost, the mean by the shares; "": nobody would be tried."""
    error: str
    body: str
    """For `POST /api/v1/route`."""
    url: str
    own: bool
    """By the settings of the visitor's workspace."""
    prices_input: tuple[str, ...]
    """USD per 1M tokens: what the model's endpoints ask, the lowest first; so is `prices_output`."""
    prices_output: tuple[str, ...]


async def explore(site: Site, request: Request) -> ExploreView | Personal:
    """The plan of a request for the model that was asked for, or for the first on offer."""
    wishes = wishes_of(request.query_params, sample_model(site.rows()))
    found, error, asked, own = None, "", request_of(wishes), True
    prompt = Prompt(wishes.prompt_tokens, wishes.prompt_tokens, wishes.prompt_tokens)
    try:
        found = await site.plan_for(request, asked, prompt)
        if found is None:
            own, found = False, site.explain(asked, prompt)
    except TollwayError as refused:
        error = refused.message
    if found is not None and found.refusal is not None:
        error = found.refusal.message
    rates = [each.price.rates for each in listed_of(found) if each.price is not None] if found else []
    view = ExploreView(
        wishes=wishes,
        sorts=SORTS,
        answer_tokens=ANSWER_TOKENS,
        tried=tuple(_tried(rank, each) for rank, each in enumerate(found.ranked, 1)) if found else (),
        out=tuple(_out(each) for each in found.left_out) if found else (),
        expected=amount(found.expected) if found and found.expected is not None else "",
        error=error,
        body=msgspec.json.format(msgspec.json.encode(asked), indent=2).decode(),
        url=f"{site.base_url}/route",
        own=own,
        prices_input=steps(each.prompt for each in rates),
        prices_output=steps(each.completion for each in rates),
    )
    return Personal(view) if own else view


def listed_of(found: Explanation) -> list[Listed]:
    """Every endpoint of an explanation, tried or not."""
    return [*(each.listed for each in found.ranked), *(each.listed for each in found.left_out)]


def steps(prices: Iterable[Attodollars]) -> tuple[str, ...]:
    """Where a slider of caps stops: each price once, USD per 1M tokens, the lowest first; about CAPS_MAX of them."""
    found = sorted(set(prices))
    shown = {*found[:: len(found) // CAPS_MAX + 1], *found[-1:]}
    return tuple(usd_per_million(each) for each in sorted(shown))


def wishes_of(params: Mapping[str, str], default_model: str) -> Wishes:
    """A URL's parameters, read."""
    tokens, sort = params.get("tokens", ""), params.get("sort", "")
    fits = tokens.isascii() and tokens.isdigit() and len(tokens) < len(str(PROMPT_MAX))
    return Wishes(
        model="".join(filter(str.isprintable, params.get("model", default_model))).strip()[:MODEL_MAX],
        prompt_tokens=max(1, int(tokens)) if fits else PROMPT_TOKENS,
        max_prompt=_price(params.get("in", "")),
        max_completion=_price(params.get("out", "")),
        sort=sort if sort in SORTS else "",
        tools=bool(params.get("tools")),
        json=bool(params.get("json")),
        private=bool(params.get("private")),
        zdr=bool(params.get("zdr")),
    )


def _price(text: str) -> str:
    return text.strip() if PRICE.fullmatch(text.strip()) else ""


def request_of(wishes: Wishes) -> ChatRequest:
    """The chat request that is planned."""
    cap = MaxPrice(prompt=wishes.max_prompt or None, completion=wishes.max_completion or None)
    preferences = Preferences(
        sort=cast(Literal["price", "throughput", "latency"] | None, wishes.sort or None),
        max_price=cap if wishes.max_prompt or wishes.max_completion else None,
        data_collection="deny" if wishes.private else None,
        zdr=True if wishes.zdr else None,
        require_parameters=True if wishes.tools or wishes.json else None,
    )
    return ChatRequest(
        model=wishes.model or None,
        messages=(UserMessage(content="Hello!"),),
        provider=None if preferences == Preferences() else preferences,
        tools=(TOOL,) if wishes.tools else None,
        response_format=SCHEMA if wishes.json else None,
    )


def _tried(rank: int, each: Ranked) -> Tried:
    listed = each.listed
    rates = listed.price.rates if listed.price else None
    return Tried(
        rank=rank,
        provider=listed.provider_name,
        model=listed.model,
        share=round(100 * each.share),
        price_input=usd_per_million(rates.prompt) if rates else "",
        price_output=usd_per_million(rates.completion) if rates else "",
        estimated=amount(listed.estimated) if listed.estimated is not None else "",
        first=seconds(listed.measured.first_s.p50 if listed.measured.first_s else None),
        reason=each.reason,
        down=listed.why_down or "",
    )


def _out(each: LeftOut) -> Out:
    return Out(each.listed.provider_name, each.listed.model, each.rule, each.reason)
