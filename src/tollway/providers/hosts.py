"""Companies that serve other people's models, all in OpenAI's chat format. Add one here: docs/providers.md says how."""

from tollway.domain.quirks import Quirks
from tollway.providers.base import Facts, Provider

_JSON = frozenset({"response_format", "structured_outputs"})

HOSTS = (
    Provider(
        slug="groq",
        name="Groq",
        base_url="https://api.groq.com/openai/v1",
        key_env=("GROQ_API_KEY",),
        # It answers 400 to these, and to names (its documentation, "OpenAI compatibility: currently unsupported
        # features"). "Structured Outputs": every model has JSON mode.
        quirks=Quirks(
            drop=frozenset({"logprobs", "logit_bias", "top_logprobs"}),
            keeps=frozenset({"reasoning"}),
            cancels=False,
            names=False,
            reasoning_style="reasoning_format",
            takes={"": frozenset({"response_format"})},
        ),
        facts=Facts(trains=False, retains=False),  # console.groq.com, "Your Data in GroqCloud"
    ),
    Provider(
        slug="togetherai",
        name="Together AI",
        base_url="https://api.together.xyz/v1",
        key_env=("TOGETHER_API_KEY",),
    ),
    Provider(
        slug="fireworks-ai",
        name="Fireworks AI",
        base_url="https://api.fireworks.ai/inference/v1",
        key_env=("FIREWORKS_API_KEY",),
        quirks=Quirks(takes={"": _JSON}),  # docs.fireworks.ai, "Structured outputs"
        facts=Facts(  # docs.fireworks.ai, "Data handling"
            privacy_url="https://fireworks.ai/privacy-policy",
            terms_url="https://fireworks.ai/terms-of-service",
            retains=False,
        ),
    ),
    Provider(
        slug="deepinfra",
        name="Deep Infra",
        base_url="https://api.deepinfra.com/v1/openai",
        key_env=("DEEPINFRA_API_KEY",),
        facts=Facts(headquarters="US", trains=False, retains=False),  # docs.deepinfra.com, "Data privacy"
    ),
    Provider(
        slug="novita-ai",
        name="NovitaAI",
        base_url="https://api.novita.ai/openai",
        key_env=("NOVITA_API_KEY",),
        facts=Facts(headquarters="US", trains=False, retains=False),
    ),
    Provider(
        slug="cerebras",
        name="Cerebras",
        base_url="https://api.cerebras.ai/v1",
        key_env=("CEREBRAS_API_KEY",),
    ),
    Provider(
        slug="sambanova",
        name="SambaNova",
        base_url="https://api.sambanova.ai/v1",
        key_env=("SAMBANOVA_API_KEY",),
        quirks=Quirks(cancels=False),
        facts=Facts(status_url="https://status.sambanova.ai"),
        listed=True,
    ),
    Provider(
        slug="nebius",
        name="Nebius Token Factory",
        base_url="https://api.tokenfactory.nebius.com/v1",
        key_env=("NEBIUS_API_KEY",),
        quirks=Quirks(cancels=False),
    ),
    Provider(
        slug="hyperbolic",
        name="Hyperbolic",
        base_url="https://api.hyperbolic.xyz/v1",
        key_env=("HYPERBOLIC_API_KEY",),
        listed=True,
    ),
    Provider(
        slug="crusoe",  # docs.crusoecloud.com, "Getting Started with Serverless Inference"
        name="Crusoe",
        base_url="https://api.inference.crusoecloud.com/v1",
        key_env=("CRUSOE_API_KEY",),
        quirks=Quirks(keeps=frozenset({"reasoning"})),  # recorded so: the model's thoughts go back to it
        listed=True,
    ),
    Provider(
        slug="cloudflare-workers-ai",
        name="Cloudflare Workers AI",
        base_url="https://api.cloudflare.com/client/v4/accounts/${CLOUDFLARE_ACCOUNT_ID}/ai/v1",
        key_env=("CLOUDFLARE_API_KEY",),
        facts=Facts(
            headquarters="US",
            privacy_url="https://developers.cloudflare.com/workers-ai/privacy",
            terms_url="https://www.cloudflare.com/service-specific-terms-developer-platform/#developer-platform-terms",
            status_url="https://www.cloudflarestatus.com/",
        ),
    ),
    Provider(
        slug="github-models",
        name="GitHub Models",
        base_url="https://models.github.ai/inference",
        key_env=("GITHUB_TOKEN",),
    ),
    Provider(
        slug="nvidia",
        name="Nvidia",
        base_url="https://integrate.api.nvidia.com/v1",
        key_env=("NVIDIA_API_KEY",),
        quirks=Quirks(reasoning_style="chat_template_kwargs"),  # build.nvidia.com, the models' own pages
        facts=Facts(  # of the trial, which is what a key without a contract gives
            headquarters="US",
            datacenters=("US",),
            privacy_url="https://www.nvidia.com/en-us/about-nvidia/privacy-policy/",
            terms_url="https://assets.ngc.nvidia.com/products/api-catalog/legal/NVIDIA%20API%20Trial%20Terms%20of%20Service.pdf",
            trains=True,
            retains=True,
        ),
    ),
    Provider(
        slug="snowflake",
        name="Snowflake Cortex",
        base_url="https://${SNOWFLAKE_ACCOUNT}.snowflakecomputing.com/api/v2/cortex/v1",
        key_env=("SNOWFLAKE_TOKEN",),
        quirks=Quirks(reasoning_style="object"),  # recorded so
        listed=True,
    ),
)
