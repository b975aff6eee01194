"""Whether a chat request is of the usual kind: one model by its own name, and nothing of what only few ask for."""

from tollway.domain.chat import ChatRequest
from tollway.routing.names import AUTO, FREE_ROUTERS

_ROUTERS = AUTO | FREE_ROUTERS


def is_usual(request: ChatRequest) -> bool:
    """True: there is no preset, no variant and no router in it, and nothing that `routing/unbuilt.py` looks at.

    What its messages hold and how it is to be answered does not count. False says nothing: a name that looks like more
    may be a model's own.
    """
    name = request.model
    return not (
        not name
        or ":" in name
        or "@" in name
        or name in _ROUTERS
        or request.models is not None
        or request.preset is not None
        or request.plugins is not None
        or request.tools is not None
        or request.best_of is not None
        or request.suffix is not None
        or request.service_tier is not None
        or request.web_search_options is not None
        or request.deferred_tools is not None
    )
