"""`GET /api/v1/providers`: who can be called here, and what is publicly known of them (OPENROUTER.md 7.3)."""

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tollway.api.house import House
from tollway.providers import Provider


async def list_providers(house: House, request: Request) -> Response:
    """Every provider that is live, by name. What is not known of one is null."""
    live = sorted(house.gateway.market.providers.values(), key=lambda provider: provider.name.casefold())
    return Response(
        msgspec.json.encode({"data": [provider_json(each) for each in live]}), media_type="application/json"
    )


def provider_json(provider: Provider) -> dict[str, Any]:
    """Links and places; countries as ISO 3166-1 has them."""
    facts = provider.facts
    return {
        "name": provider.name,
        "slug": provider.slug,
        "privacy_policy_url": facts.privacy_url,
        "terms_of_service_url": facts.terms_url,
        "status_page_url": facts.status_url,
        "headquarters": facts.headquarters,
        "datacenters": facts.datacenters,
    }
