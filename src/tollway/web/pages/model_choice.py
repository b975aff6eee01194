"""Who of a model's endpoints would be asked right now, and whom a price cap would leave: a plan, nothing is sent."""

import re
from collections.abc import Sequence

from msgspec import Struct
from starlette.requests import Request

from tollway.domain.chat import ChatRequest, MaxPrice, Preferences, UserMessage
from tollway.domain.errors import TollwayError
from tollway.routing.explain import Prompt
from tollway.routing.market import Stall
from tollway.web.figures import amount, usd_per_million
from tollway.web.page import Site

PROMPT_TOKENS = 1000
STEPS = 40
"""Of the slider."""
PRICE = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,12})?", re.ASCII)
WIDTH = 1000


class Chosen(Struct, frozen=True):
    """An endpoint that would be tried. `left` and `width` are its part of the strip, of WIDTH."""

    provider: str
    share: int
    price_output: str
    estimated: str
    left: int
    width: int
    color: int


class Choice(Struct, frozen=True):
    """What the part of the page shows."""

    cap: str
    """USD per 1M tokens of output, as in the URL; "": none."""
    dearest: str
    """Where the slider ends, and how far it steps."""
    step: str
    chosen: tuple[Chosen, ...]
    out: tuple[tuple[str, str], ...]
    """Provider and reason of each that is left out."""
    expected: str
    error: str
    own: bool
    """By the settings of the visitor's workspace."""
    tokens: int = PROMPT_TOKENS
    width: int = WIDTH


async def choice(site: Site, request: Request, model_id: str, stalls: Sequence[Stall]) -> Choice:
    """The plan of a short request for the model, under the cap of the URL, by the visitor's settings if there are."""
    params = request.query_params
    cap = params.get("out", "").strip()
    cap = cap if PRICE.fullmatch(cap) else ""
    preferences = Preferences(max_price=MaxPrice(completion=cap)) if cap else None
    ask = ChatRequest(model=model_id, messages=(UserMessage(content="Hello!"),), provider=preferences)
    prompt, found, error, own = Prompt(PROMPT_TOKENS, PROMPT_TOKENS, PROMPT_TOKENS), None, "", True
    try:
        found = await site.plan_for(request, ask, prompt)
        if found is None:
            own, found = False, site.explain(ask, prompt)
        error = found.refusal.message if found.refusal else ""
    except TollwayError as refused:
        error = refused.message
    chosen, left = [], 0
    for color, each in enumerate(found.ranked if found else ()):
        width = round(WIDTH * each.share)
        rates = each.listed.price.rates if each.listed.price else None
        chosen.append(
            Chosen(
                provider=each.listed.provider_name,
                share=round(100 * each.share),
                price_output=usd_per_million(rates.completion) if rates else "",
                estimated=amount(each.listed.estimated) if each.listed.estimated is not None else "",
                left=left,
                width=width,
                color=min(color, 6),
            )
        )
        left += width
    dearest = max((stall.price.rates.completion for stall in stalls), default=0)
    return Choice(
        cap=cap,
        dearest=usd_per_million(dearest),
        step=usd_per_million(max(1, dearest // STEPS)),
        chosen=tuple(chosen),
        out=tuple((each.listed.provider_name, each.reason) for each in (found.left_out if found else ())),
        expected=amount(found.expected) if found and found.expected is not None else "",
        error=error,
        own=own,
    )
