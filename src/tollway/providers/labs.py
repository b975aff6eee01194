"""Companies that serve the models they make, in OpenAI's chat format unless said otherwise."""

from msgspec.structs import replace

from tollway.domain.catalog import WireFormat
from tollway.domain.quirks import Quirks
from tollway.providers.base import Facts, Provider, x_api_key

_THOUGHTS_BACK = frozenset({"reasoning_content"})
"""They want a model's earlier thoughts back under their own name (DeepSeek and Z.ai, "Thinking Mode")."""

_JSON = frozenset({"response_format", "structured_outputs"})

_MOONSHOT = Provider(
    slug="moonshotai",
    name="Moonshot AI",
    base_url="https://api.moonshot.ai/v1",
    key_env=("MOONSHOT_API_KEY",),
    # platform.moonshot.ai, "Use Kimi K2 Thinking Model", "Use Kimi API's Partial Mode", "Chat".
    quirks=Quirks(
        keeps=_THOUGHTS_BACK | {"partial"},
        reasoning_style="thinking",
        prefill="partial",
        ranges={"temperature": (0.0, 1.0)},
    ),
    facts=Facts(
        headquarters="SG",
        datacenters=("SG",),
        privacy_url="https://platform.moonshot.ai/docs/agreement/userprivacy",
        terms_url="https://platform.moonshot.ai/docs/agreement/modeluse",
    ),
)
_ZAI = Provider(
    slug="zai",
    name="Z.AI",
    base_url="https://api.z.ai/api/paas/v4",
    key_env=("ZHIPU_API_KEY",),
    # docs.z.ai, "Structured Output": any JSON, no schemas; "Chat Completion": temperature.
    quirks=Quirks(
        keeps=_THOUGHTS_BACK,
        reasoning_style="thinking",
        structured_output="json_object",
        ranges={"temperature": (0.0, 1.0)},
    ),
)
_MINIMAX = Provider(
    slug="minimax",
    name="MiniMax (minimax.io)",
    base_url="https://api.minimax.io/anthropic/v1",
    speaks=WireFormat.ANTHROPIC_MESSAGES,
    key_env=("MINIMAX_API_KEY",),
    auth=x_api_key,
    quirks=Quirks(cancels=False),
)
_ALIBABA = Provider(
    slug="alibaba",
    name="Alibaba",
    base_url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
    key_env=("DASHSCOPE_API_KEY",),
    # Model Studio, "Deep thinking", "Partial mode".
    quirks=Quirks(keeps=frozenset({"partial"}), reasoning_style="enable_thinking", prefill="partial", cancels=False),
)

LABS = (
    Provider(
        slug="mistral",
        name="Mistral",
        base_url="https://api.mistral.ai/v1",
        key_env=("MISTRAL_API_KEY",),
        # Its prefill is a marked assistant message; it knows neither stream_options nor a seed by that name, and
        # refuses fields that it does not know. Ids: "must be a-z, A-Z, 0-9, with a length of 9" (its error 3280).
        quirks=Quirks(
            rename={"seed": "random_seed", "dimensions": "output_dimension"},
            keeps=frozenset({"prefix"}),
            stream_usage=False,
            cancels=False,
            drop=frozenset(
                {
                    *("logit_bias", "logprobs", "prompt_cache_options", "prompt_cache_retention", "safety_identifier"),
                    *("service_tier", "store", "top_logprobs", "user", "verbosity"),
                }
            ),
            takes={"": _JSON},
            ranges={"temperature": (0.0, 1.5)},
            prefill="prefix",
            call_ids="[a-zA-Z0-9]{9}",
            names=False,
        ),
        facts=Facts(
            headquarters="FR",
            privacy_url="https://mistral.ai/terms/#privacy-policy",
            terms_url="https://mistral.ai/terms/#terms-of-use",
            status_url="https://status.mistral.ai/",
        ),
    ),
    Provider(
        slug="deepseek",
        name="DeepSeek",
        base_url="https://api.deepseek.com",
        key_env=("DEEPSEEK_API_KEY",),
        # api-docs.deepseek.com, "Thinking Mode", "JSON Output": no schemas.
        quirks=Quirks(
            keeps=_THOUGHTS_BACK,
            reasoning_style="thinking",
            efforts=("high", "max"),
            structured_output="json_object",
            takes={"": frozenset({"response_format"})},
        ),
        facts=Facts(trains=True, retains=True),
    ),
    Provider(
        slug="cohere",
        name="Cohere",
        base_url="https://api.cohere.com/v2",
        speaks=WireFormat.COHERE_CHAT,
        key_env=("COHERE_API_KEY",),
        facts=Facts(trains=False, retains=True, retention_days=30),
    ),
    Provider(
        slug="xai",
        name="xAI",
        base_url="https://api.x.ai/v1",
        key_env=("XAI_API_KEY",),
        quirks=Quirks(takes={"": _JSON}),  # docs.x.ai, "Structured Outputs": all language models
        facts=Facts(trains=False, retains=True, retention_days=30),  # docs.x.ai, "Security"
    ),
    Provider(
        slug="perplexity",
        name="Perplexity",
        base_url="https://api.perplexity.ai",
        key_env=("PERPLEXITY_API_KEY",),
        # "After the (optional) system message(s), user or tool message(s) should alternate with assistant message(s)."
        quirks=Quirks(cancels=False, alternates=True),
    ),
    _MOONSHOT,
    replace(
        _MOONSHOT,
        slug="moonshotai-cn",
        name="Moonshot AI (China)",
        base_url="https://api.moonshot.cn/v1",
        facts=Facts(),
    ),
    _ZAI,
    replace(_ZAI, slug="zhipuai", name="Zhipu AI", base_url="https://open.bigmodel.cn/api/paas/v4"),
    _MINIMAX,
    replace(
        _MINIMAX,
        slug="minimax-cn",
        name="MiniMax (minimaxi.com)",
        base_url="https://api.minimaxi.com/anthropic/v1",
    ),
    _ALIBABA,
    replace(
        _ALIBABA,
        slug="alibaba-cn",
        name="Alibaba (China)",
        base_url="https://dashscope.aliyuncs.com/compatible-mode/v1",
    ),
)
