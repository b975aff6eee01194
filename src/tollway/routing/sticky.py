"""Which endpoint holds the prompt cache of a conversation: remembered for ten minutes after its last success.

A conversation is known by `session_id`, else `prompt_cache_key`, else by its first system message and its first other
one (OPENROUTER.md 9.2). Time is passed in.
"""

from collections import OrderedDict
from collections.abc import Mapping
from hashlib import blake2b

import msgspec

from tollway.domain.chat import ChatRequest, DeveloperMessage, SystemMessage
from tollway.domain.generation import Usage
from tollway.routing.market import Market
from tollway.routing.names import find

IDLE_S = 600.0
KEPT_MAX = 100_000

_ENCODER = msgspec.json.Encoder()


class Stickiness:
    """Conversation and model -> endpoint; the least recently used are forgotten first."""

    def __init__(self) -> None:
        self.conversations: OrderedDict[tuple[bytes, str], tuple[str, float]] = OrderedDict()
        """Each with its model -> the endpoint, and until when that is believed."""

    def __len__(self) -> int:
        return len(self.conversations)

    def kept(self, conversation: bytes, models: tuple[str, ...], now_s: float) -> Mapping[str, str]:
        """Model id -> the endpoint that holds the conversation's cache."""
        found: dict[str, str] = {}
        for model in models:
            entry = self.conversations.get((conversation, model))
            if entry is not None and entry[1] > now_s:
                found[model] = entry[0]
        return found

    def keep(self, conversation: bytes, model: str, endpoint_id: str, now_s: float) -> None:
        """An endpoint has answered: for IDLE_S from now on it is asked first."""
        key = (conversation, model)
        self.conversations[key] = (endpoint_id, now_s + IDLE_S)
        self.conversations.move_to_end(key)
        if len(self.conversations) > KEPT_MAX:
            self.conversations.popitem(last=False)

    def forget(self, conversation: bytes, model: str, endpoint_id: str) -> None:
        """The endpoint has failed: its cache is of no use while it does."""
        if (entry := self.conversations.get((conversation, model))) is not None and entry[0] == endpoint_id:
            del self.conversations[conversation, model]


def cached_models(request: ChatRequest, market: Market) -> tuple[str, ...]:
    """The named models that some endpoint caches at a lower price; none where the caller says an order."""
    if request.provider is not None and request.provider.order:
        return ()
    names = (request.model, *(request.models or ())) if request.models else (request.model,)
    found = (find(name, market) for name in names if name)
    return tuple(named[0].model.id for named in found if named is not None and named[0].caches)


def conversation_of(request: ChatRequest, workspace_id: str) -> tuple[bytes, bool]:
    """A digest that a conversation's requests share, and whether its caller named it."""
    named = request.session_id or request.prompt_cache_key
    digest = blake2b(workspace_id.encode(), digest_size=16)
    if named:
        digest.update(b"\0named\0" + named.encode())
        return digest.digest(), True
    system = other = None
    for message in request.messages:
        if isinstance(message, SystemMessage | DeveloperMessage):
            system = system or message
        else:
            other = message
            break
    for each in (system, other):
        digest.update(b"\0" + (_ENCODER.encode(each) if each is not None else b""))
    return digest.digest(), False


def is_worth_keeping(named: bool, usage: Usage | None) -> bool:
    """A named conversation from its first success; another once a cache was seen at work."""
    return named or (usage is not None and bool(usage.cache_read or usage.cache_write))
