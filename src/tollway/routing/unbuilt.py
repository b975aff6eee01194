"""What a request may ask for and this release does not do yet: refused with 501, never ignored in silence."""

from tollway.domain.chat import ChatRequest
from tollway.domain.errors import InvalidRequest, NotBuiltYet

AUTO_PLUGINS = ("auto-router", "auto-beta-router")
"""What a request wants of `openrouter/auto`; without meaning for other models."""
DEARER_TIERS = frozenset({"priority", "fast", "ultrafast"})
"""Providers bill these at up to twice the price that we know; what was served is what must be billed
(OPENROUTER.md 9.3)."""


def refuse_unbuilt(request: ChatRequest) -> None:
    """NotBuiltYet: plugins, server tools, web search, dearer tiers. InvalidRequest: what no endpoint takes.

    Left out quietly they would change the answer, or what it costs.
    """
    for index, plugin in enumerate(request.plugins or ()):
        if plugin.get("enabled") is not False and plugin.get("id") not in AUTO_PLUGINS:
            name = str(plugin.get("id", "?"))[:40]
            raise NotBuiltYet(
                f'The plugin "{name}" is not built yet; leave `plugins` out.', param=f"plugins[{index}].id"
            )
    for index, tool in enumerate(request.tools or ()):
        if tool.type not in {"function", "custom"}:
            raise NotBuiltYet(
                f'The server tool "{tool.type[:60]}" is not built yet; tools of type "function" work.',
                param=f"tools[{index}].type",
            )
    if request.best_of is not None and request.best_of > (request.n or 1):
        raise NotBuiltYet("`best_of` above `n` is not built yet; ask for n answers and choose.", param="best_of")
    if request.suffix:
        raise InvalidRequest(
            "suffix: text cannot be inserted before it: models are asked by chat here, which has no suffix; leave it "
            "out, and say in the prompt what follows",
            param="suffix",
        )
    if request.service_tier in DEARER_TIERS:
        raise NotBuiltYet(
            f'The service tier "{request.service_tier}" is not built yet: its prices are not in the catalog.',
            param="service_tier",
        )
    if request.web_search_options is not None:
        raise NotBuiltYet(
            "Web search is not built yet: what providers take for each search is not in the catalog.",
            param="web_search_options",
        )
    if request.deferred_tools is not None:
        raise NotBuiltYet("Deferred tools are not built yet; send `tools`.", param="deferred_tools")
