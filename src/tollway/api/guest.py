"""`POST .../guest/chat/completions`: chat without an account: few models, text only, short answers, twice a minute."""

from collections.abc import Iterator
from http.cookies import CookieError, SimpleCookie

from msgspec import structs

from tollway.api.chat import Inference
from tollway.api.exchange import Exchange
from tollway.api.house import House
from tollway.api.storefronts.base import Storefront
from tollway.domain.chat import ChatRequest, TextPart
from tollway.domain.errors import InvalidRequest, ModelNotFound
from tollway.identity.guest import COOKIE, GuestRules, guest, visitor_of
from tollway.wire.openai_chat import server as openai_chat

BODY_MAX = 64 * 1024
ALLOWED = frozenset(
    {
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "model",
        "response_format",
        "routing",
        "seed",
        "stop",
        "stream",
        "stream_options",
        "temperature",
        "top_p",
        "usage",
    }
)
"""Fields of a guest's request. What costs more than its tokens, or makes this server ask others, is not among them."""


class GuestChat(Inference):
    """With a key it is the ordinary chat. Without one it is the guests', where the operator has named their models."""

    def __init__(self, house: House, storefront: Storefront, path: str) -> None:
        super().__init__(house, storefront, openai_chat, path)

    async def _answer(self, exchange: Exchange) -> None:
        rules = self._house.guests
        carries = any(exchange.header(name) is not None for name in (b"authorization", b"x-api-key"))
        if carries or not rules.models:
            await super()._answer(exchange)
            return
        visitor = visitor_of(cookie_of(exchange), self._house.pepper)
        caller = guest(self._house.proxies.client_of(exchange), visitor)
        body = await exchange.body(BODY_MAX)
        await self.answer(exchange, caller, of_guest(openai_chat.decode_request(body), rules), len(body))


def cookie_of(exchange: Exchange) -> str:
    """What the playground gave the visitor; "" if nothing. Who sends none is limited by the address alone."""
    try:
        found = SimpleCookie(exchange.header(b"cookie") or "").get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


def of_guest(request: ChatRequest, rules: GuestRules) -> ChatRequest:
    """The request with its answer bounded. InvalidRequest: more than a guest may ask; ModelNotFound: another model."""
    if (field := next(_refused(request), None)) is not None:
        raise InvalidRequest(f"{field}: not without a key. Guests may send {', '.join(sorted(ALLOWED))}", param=field)
    for number, message in enumerate(request.messages):
        content = getattr(message, "content", None)
        if message.__struct_config__.tag not in ("system", "user", "assistant") or not (
            content is None or isinstance(content, str) or all(isinstance(part, TextPart) for part in content)
        ):
            raise InvalidRequest(f"messages[{number}]: without a key only text is taken", param="messages")
    if request.model not in rules.models:
        names = ", ".join(sorted(rules.models))
        raise ModelNotFound(f"{request.model or 'model'}: without a key there are {names}", param="model")
    most = min(request.output_limit or rules.output_max, rules.output_max)
    name = "max_completion_tokens" if request.max_completion_tokens is not None else "max_tokens"
    return structs.replace(request, **{name: most})


def _refused(request: ChatRequest) -> Iterator[str]:
    """Fields that are set and not for guests."""
    yield from request.extra
    for field in structs.fields(request):
        default = {} if field.default_factory is dict else field.default
        if field.name not in ALLOWED and field.name != "extra" and getattr(request, field.name) != default:
            yield field.name
