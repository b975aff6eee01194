"""OpenAI: the chat format is its own."""

from tollway.domain.quirks import Quirks
from tollway.providers.base import Facts, Provider

OPENAI = Provider(
    slug="openai",
    name="OpenAI",
    base_url="https://api.openai.com/v1",
    key_env=("OPENAI_API_KEY",),
    # It refuses `max_tokens` for its reasoning models and takes the newer name for all (API reference, 2025), and
    # ids of calls beyond 40 characters ("string too long. Expected a string with maximum length 40").
    quirks=Quirks(
        rename={"max_tokens": "max_completion_tokens"},
        developer_role=True,
        drop=frozenset({"input_type", "truncate"}),  # of embeddings: "Unrecognized request argument"
        custom_tools=True,
        call_ids=".{1,40}",
        takes={
            "^gpt-[5-9]": frozenset({"verbosity"}),
            "^(?:gpt-4|gpt-3[.]5|chatgpt)": frozenset({"logit_bias", "logprobs", "top_logprobs"}),
            "^gpt-4(?:o|[.]1)": frozenset({"prediction"}),
        },
    ),
    # developers.openai.com, "Data controls": no training since March 2023, abuse logs for up to 30 days.
    facts=Facts(
        headquarters="US",
        privacy_url="https://openai.com/policies/privacy-policy/",
        terms_url="https://openai.com/policies/row-terms-of-use/",
        status_url="https://status.openai.com/",
        trains=False,
        retains=True,
        retention_days=30,
    ),
)
