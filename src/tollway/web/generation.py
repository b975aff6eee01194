"""`/logs/{id}`: one request: what it cost, line by line, how long its attempts took, and why it went where it went."""

import json
import shlex
from typing import Any

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from tollway.domain.apps import app_of
from tollway.domain.content import Content
from tollway.domain.errors import NotFound
from tollway.domain.generation import Generation, Placed, RuledOut, Trace
from tollway.domain.money import Attodollars, nanodollars_to_text, price_to_text
from tollway.domain.routing import listed_id
from tollway.gateway.bill import Bill, bill_of, would_have_cost
from tollway.web.account import PRIVATE, form_routes, go_to, sign_in_path
from tollway.web.figures import NONE, amount, dollars, percent, seconds
from tollway.web.log_columns import moment, status_of
from tollway.web.logs import PATH
from tollway.web.records import Archive
from tollway.web.waterfall import Waterfall, waterfall

TEXT_MAX = 200_000
"""Of a kept prompt or answer, so much is shown."""
_contents = msgspec.json.Decoder(Content)


class Line(Struct, frozen=True):
    """A line of the bill."""

    what: str
    units: str
    rate: str
    amount: str


class CandidateRow(Struct, frozen=True):
    """A candidate of the plan."""

    endpoint: str
    provider: str
    reason: str
    share: str
    cost: str
    """The same tokens at its present price; a dash where that is not known."""
    served: bool


class KeptText(Struct, frozen=True):
    """What was kept of it."""

    prompt: str
    answer: str
    reasoning: str
    error: str


class GenerationView(Struct, frozen=True):
    """What `generation.html` shows."""

    it: Generation
    at: str
    state: str
    provider: str
    key: str
    app: str
    cost: str
    discount: str
    absorbed: str
    own: str
    lines: tuple[Line, ...]
    exact: str
    rest: str
    bill: Bill
    tier: str
    facts: tuple[tuple[str, str], ...]
    tokens: tuple[tuple[str, str], ...]
    fall: Waterfall | None
    candidates: tuple[CandidateRow, ...]
    left_out: tuple[RuledOut, ...]
    plan: Trace
    kept: KeptText | None
    curl: str


class GenerationPages:
    """One page, which the list opens as a drawer, too."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def routes(self) -> list[BaseRoute]:
        """The URL."""
        return form_routes(self._archive.renderer, ((f"{PATH}/{{id}}", "GET", self.show),))

    async def show(self, request: Request) -> Response:
        """Of a workspace that one is in, and of one's own keys for a member; else it is not there."""
        archive, wanted = self._archive, request.path_params["id"]
        actor = await archive.door.signed_in(request)
        if actor is None:
            return go_to(request, sign_in_path(PATH))
        generation = await archive.records.generation(actor, wanted)
        if generation is None:
            raise NotFound("There is no such request, or it is not yours to see.")
        return archive.renderer.page(request, "generation.html", await self._view(generation), headers=PRIVATE)

    async def _view(self, it: Generation) -> GenerationView:
        archive = self._archive
        keys = await archive.usage.names("api_key_id", [it.key_id])
        bill, kept = await bill_of(archive.database, it), await self._kept(it)
        plan = it.plan
        if plan is None:
            plan = Trace(tuple(Placed(each.endpoint_id, "the only one that fits", 1.0) for each in it.attempts[:1]))
        app = app_of(it.http_referer, it.app_title)
        return GenerationView(
            it=it,
            at=moment(it.created_ms),
            state=status_of(it),
            provider=archive.provider_name(it.provider) if it.provider else NONE,
            key=keys[it.key_id],
            app=(app.title or app.url or NONE) if app else NONE,
            cost=amount(it.cost),
            discount=_signed(it.cache_discount),
            absorbed=amount(it.absorbed) if it.absorbed else "",
            own=amount(it.own_cost) if it.credential_id else "",
            lines=tuple(
                Line(each.what, f"{each.units:,}", dollars(price_to_text(each.rate)), dollars(_atto(each.amount)))
                for each in bill.lines
            ),
            exact=dollars(_atto(bill.exact)),
            rest=_rest(bill),
            bill=bill,
            tier=_tier(it, bill),
            facts=_facts(it),
            tokens=_tokens(it),
            fall=waterfall(it, [archive.provider_name(each.provider) for each in it.attempts]),
            candidates=self._candidates(it, plan),
            left_out=plan.left_out,
            plan=plan,
            kept=kept[1],
            curl=_curl(it, archive.base_url, kept[0]),
        )

    def _candidates(self, it: Generation, plan: Trace) -> tuple[CandidateRow, ...]:
        ids = [each.endpoint_id for each in plan.candidates]
        costs = (
            would_have_cost(self._archive.market().catalog, it, ids) if it.usage.prompt or it.usage.completion else {}
        )
        return tuple(
            CandidateRow(
                each.endpoint_id,
                self._archive.provider_name(each.endpoint_id.partition(":")[0]),
                each.reason,
                percent(each.share) if each.share else NONE,
                amount(costs[each.endpoint_id]) if each.endpoint_id in costs else NONE,
                it.endpoint_id is not None and each.endpoint_id == listed_id(it.endpoint_id),
            )
            for each in plan.candidates
        )

    async def _kept(self, it: Generation) -> tuple[dict[str, Any] | None, KeptText | None]:
        contents = self._archive.contents
        found = await contents.find(it.workspace_id, it.id) if contents is not None else None
        if found is None:
            return None, None
        content = _contents.decode(found)
        output = content.output
        answer = output.completion or ""
        if output.tool_calls:
            answer = f"{answer}\n{_pretty(list(output.tool_calls))}".strip()
        error = content.error.message or "" if content.error is not None else ""
        prompt = content.input.get("prompt")
        text = prompt if isinstance(prompt, str) else _pretty(content.input.get("messages", content.input))
        return content.input, KeptText(text[:TEXT_MAX], answer[:TEXT_MAX], (output.reasoning or "")[:TEXT_MAX], error)


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _atto(value: Attodollars) -> str:
    return price_to_text(value)


def _signed(nanodollars: int) -> str:
    if not nanodollars:
        return ""
    return f"{'-' if nanodollars < 0 else ''}{dollars(nanodollars_to_text(abs(nanodollars)))}"


def _rest(bill: Bill) -> str:
    return f"{'-' if bill.rest < 0 else '+'}{dollars(_atto(abs(bill.rest)))}" if bill.rest else ""


def _tier(it: Generation, bill: Bill) -> str:
    if bill.price is None:
        return ""
    over = [each.prompt_tokens_over for each in bill.price.tiers if it.usage.prompt > each.prompt_tokens_over]
    return f"for prompts of over {over[-1]:,} tokens" if over else ""


def _facts(it: Generation) -> tuple[tuple[str, str], ...]:
    """What else is known, as far as there is any."""
    routed = it.routed
    found = (
        ("Asked at", f"{it.api_type}, {it.origin}"),
        ("Finish", _finish(it)),
        ("First token", seconds(it.latency_ms / 1000)),
        ("In all", seconds(it.generation_ms / 1000)),
        ("Moderation", seconds(it.moderation_ms / 1000) if it.moderation_ms is not None else ""),
        ("Streamed", "yes" if it.streamed else "no"),
        ("Chosen by", f"{routed.router}: {routed.task}, {routed.difficulty}" if routed else ""),
        ("Preset", it.preset_id or ""),
        ("Session", it.session_id or ""),
        ("User of the app", it.external_user or ""),
        ("Client", it.user_agent or ""),
        ("Id at the provider", it.upstream_id or ""),
        (
            "Answer bounded to",
            f"{it.max_tokens_sent:,} tokens, as the request did not say" if it.max_tokens_sent else "",
        ),
        ("Content filters", ", ".join(f"{each.label}, {each.count} times: {each.action}" for each in it.findings)),
    )
    return tuple((name, value) for name, value in found if value)


def _finish(it: Generation) -> str:
    if not it.finish_reason:
        return "cancelled by the caller" if it.cancelled else NONE
    native = f" (the provider says {it.native_finish_reason})" if it.native_finish_reason else ""
    return f"{it.finish_reason}{native}"


def _tokens(it: Generation) -> tuple[tuple[str, str], ...]:
    usage = it.usage
    found = (
        ("Prompt", usage.prompt), ("read from a cache", usage.cache_read), ("written to a cache", usage.cache_write),
        ("of audio in it", usage.audio_prompt), ("of images in it", usage.image_prompt),
        ("of video in it", usage.video_prompt), ("Output", usage.completion), ("of reasoning in it", usage.reasoning),
        ("of audio in the output", usage.audio_completion), ("of images in the output", usage.image_completion),
        ("Web searches", usage.web_searches),
    )  # fmt: skip
    lines = [(name, f"{count:,}") for name, count in found if count or name in ("Prompt", "Output")]
    if usage.billed is not None:
        lines.append(("Billed by the provider", f"{usage.billed[0]:,} + {usage.billed[1]:,}"))
    if it.tokens_prompt_estimate:
        lines.append(("Prompt by our own tokenizer", f"{it.tokens_prompt_estimate:,}"))
    lines.append(
        ("Counted by", "our tokenizer: the provider sent no believable count" if usage.estimated else "the provider")
    )
    return tuple(lines)


def _curl(it: Generation, base_url: str, asked: dict[str, Any] | None) -> str:
    """The same again; what was not kept is left to be filled in."""
    body: dict[str, Any] = {"model": it.model, **(asked or {"messages": [{"role": "user", "content": "…"}]})}
    if it.provider:
        body["provider"] = {"only": [it.provider]}
    path = "/completions" if "prompt" in body else "/chat/completions"
    return (
        f"curl {shlex.quote(base_url + path)} \\\n"
        '  -H "Authorization: Bearer $TOLLWAY_KEY" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        f"  -d {shlex.quote(_pretty(body))}"
    )
