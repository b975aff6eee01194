"""How requests name providers: by our slug, by OpenRouter's names, by the base of a family, or one endpoint of it."""

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct, structs

from tollway.domain.catalog import Endpoint
from tollway.domain.chat import Preferences

OTHER_NAMES: Mapping[str, tuple[str, ...]] = {
    "cloudflare-workers-ai": ("cloudflare",),
    "fireworks-ai": ("fireworks",),
    "google": ("google-ai-studio", "google ai studio"),
    "inference": ("inference-net", "inferencenet"),
    "io-net": ("io net",),
    "llama": ("meta",),
    "nova": ("amazon-nova", "amazon nova"),
    "novita-ai": ("novita",),
    "tencent-tokenhub": ("tencent",),
    "togetherai": ("together",),
    "voyage": ("voyageai", "voyageai by mongodb"),
    "wafer.ai": ("wafer",),
    "zai": ("z-ai",),
}
"""Our slug -> what else the provider is called, in lower case.

Source: OpenRouter's OpenAPI document of August 2026, `ProviderName` (display names) and the keys of `ProviderOptions`
(slugs); "Google AI Studio", "BaseTen", "Minimax", "WandB" are in its recorded answers, too.
"""

FAMILIES: Mapping[str, tuple[str, ...]] = {
    "azure": (
        "azure-anthropic",
        "azure-cognitive-services",
        "azure-cognitive-services-anthropic",
        "azure-cognitive-services-openai",
        "azure-openai",
    ),
    "azure-cognitive-services": ("azure-cognitive-services-anthropic", "azure-cognitive-services-openai"),
    "cloudflare-ai-gateway": ("cloudflare-ai-gateway-anthropic",),
    # OpenRouter's "Google" is Vertex, our `google` is AI Studio: the word means all that Google runs.
    "google": ("google-vertex", "google-vertex-anthropic", "google-vertex-openai"),
    "google-vertex": ("google-vertex-anthropic", "google-vertex-openai"),
    "opencode": ("opencode-anthropic", "opencode-gemini"),
    "opencode-go": ("opencode-go-anthropic",),
    "vertex": ("google-vertex-anthropic", "google-vertex-openai"),
    "zenmux": ("zenmux-anthropic",),
}
"""A base slug, or a name -> the others of our slugs that it covers (OPENROUTER.md 4): one service in all formats."""

SISTERS: Mapping[str, tuple[str, ...]] = {
    "alibaba": ("alibaba-cn", "alibaba-coding-plan", "alibaba-coding-plan-cn"),
    "cloudflare-workers-ai": ("cloudflare-ai-gateway", "cloudflare-ai-gateway-anthropic"),
    "fireworks-ai": ("firepass",),
    "minimax": ("minimax-cn", "minimax-cn-coding-plan", "minimax-coding-plan"),
    "moonshotai": ("kimi-for-coding", "moonshotai-cn"),
    "opencode": ("opencode-go", "opencode-go-anthropic"),
    "perplexity": ("perplexity-agent",),
    "siliconflow": ("siliconflow-cn",),
    "stepfun": ("stepfun-ai",),
    "tencent-tokenhub": ("tencent-coding-plan",),
    "xiaomi": ("xiaomi-token-plan-ams", "xiaomi-token-plan-cn", "xiaomi-token-plan-sgp"),
    "zai": ("zai-coding-plan", "zhipuai", "zhipuai-coding-plan"),
    "zhipuai": ("zhipuai-coding-plan",),
}
"""Our slug -> the same company's plans and branches elsewhere, which are ignored with it, and not meant otherwise."""

_REGION = re.compile(r"(apac|au|ca|eu|global|jp|us|us-gov)\.")
"""Amazon Bedrock, "Inference profiles": the prefix of a model's name says where it may run."""
_KIND = re.compile(r"(?:^|[/_-])(fast|highspeed|tee|turbo)(?:$|[/_-])")
"""What the names of a model's second endpoints say at OpenRouter: `deepinfra/turbo`, `minimax/highspeed`."""


class ProviderNames(Struct, frozen=True):
    """By which names, in lower case, requests may mean a provider; worked out once for each market."""

    meant: Mapping[str, frozenset[str]] = {}
    """Slug -> the names by which `only` and `order` mean it."""
    shunned: Mapping[str, frozenset[str]] = {}
    """Slug -> the names by which `ignore` means it: those, and its sisters'."""
    slugs: Mapping[str, str] = {}
    """A name of one provider alone -> its slug."""

    def is_known(self, name: str) -> bool:
        """Whether a name means some provider."""
        base, _, variant = name.lower().partition("/")
        return any(name.lower() in names or (variant and base in names) for names in self.shunned.values())


NO_NAMES = ProviderNames()


def names_of(providers: Iterable[tuple[str, str]]) -> ProviderNames:
    """Providers as (slug, display name) -> their names."""
    own: dict[str, set[str]] = {}
    slugs: dict[str, str] = {}
    for slug, shown in providers:
        names = own.setdefault(slug, {slug.lower(), *OTHER_NAMES.get(slug, ())})
        names |= {shown.lower()} - {""}
        slugs |= dict.fromkeys(names, slug)
    for slug, names in own.items():
        for place in re.finditer("/", slug):
            names |= own.get(slug[: place.start()], {slug[: place.start()].lower()})
    slugs |= {slug: slug for slug in own}
    shunned = {slug: set(names) for slug, names in own.items()}
    for slug, sisters in SISTERS.items():
        for sister in sisters:
            if sister in own:
                shunned[sister] |= own.get(slug, {slug, *OTHER_NAMES.get(slug, ())})
    for base, members in FAMILIES.items():
        for member in members:
            if member in own:
                own[member].add(base)
                shunned[member].add(base)
    return ProviderNames(
        {slug: frozenset(names) for slug, names in own.items()},
        {slug: frozenset(names) for slug, names in shunned.items()},
        slugs,
    )


def means(names: Mapping[str, frozenset[str]], endpoint: Endpoint, wanted: Iterable[str]) -> bool:
    """Whether one of some names, in lower case, means this endpoint: its provider, or `provider/variant`."""
    known = names.get(endpoint.provider)
    if known is None:
        known = frozenset((endpoint.provider,))
    for name in wanted:
        if name in known:
            return True
        base, _, variant = name.partition("/")
        if variant and base in known and variant in variants_of(endpoint):
            return True
    return False


def variants_of(endpoint: Endpoint) -> tuple[str, ...]:
    """What may follow the provider's name to mean this endpoint, the shortest first, what is always its own last."""
    model = endpoint.upstream_model.lower()
    region, kind = _REGION.match(model), _KIND.search(model)
    said = (region and region[1], kind and kind[1], endpoint.quantization and endpoint.quantization.lower())
    return (*(each for each in said if each), model)


def tags_of(endpoints: Iterable[Endpoint]) -> dict[str, str]:
    """One model's endpoints -> their routing slugs by id (OPENROUTER.md 7.2): the provider's where it has one alone."""
    of_provider: dict[str, list[Endpoint]] = {}
    for endpoint in endpoints:
        of_provider.setdefault(endpoint.provider, []).append(endpoint)
    tags: dict[str, str] = {}
    for provider, found in of_provider.items():
        if len(found) == 1:
            tags[found[0].id] = provider
            continue
        said = [variants_of(each) for each in found]
        for each, variants in zip(found, said, strict=True):
            own = next((one for one in variants if sum(one in others for others in said) == 1), variants[-1])
            tags[each.id] = f"{provider}/{own}"
    return tags


def in_lower_case(preferences: Preferences) -> Preferences:
    """The same, with the names of providers as they are compared."""
    if not (preferences.order or preferences.only or preferences.ignore):
        return preferences
    return structs.replace(
        preferences,
        order=_lower(preferences.order),
        only=_lower(preferences.only),
        ignore=_lower(preferences.ignore),
    )


def _lower(names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    return names and tuple(name.lower() for name in names)
