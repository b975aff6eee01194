"""Amazon Bedrock: models of many companies, behind AWS's own format and signature."""

from collections.abc import Mapping

from tollway.domain.catalog import WireFormat
from tollway.domain.quirks import Quirks
from tollway.providers.base import Facts, Opened, Provider
from tollway.providers.sigv4 import REGION_ENV, read_keys, sigv4


def open_keys(provider: Provider, text: str, variables: Mapping[str, str]) -> Opened:
    """Keys know their region; a Bedrock API key leaves it to the environment."""
    keys = read_keys(text)
    return Opened(provider, text, {REGION_ENV: keys.region} if keys else {})


BEDROCK = Provider(
    slug="amazon-bedrock",
    name="Amazon Bedrock",
    base_url="https://bedrock-runtime.${AWS_REGION}.amazonaws.com",
    speaks=WireFormat.BEDROCK_CONVERSE,
    key_env=("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_BEARER_TOKEN_BEDROCK"),
    auth=sigv4,
    open=open_keys,
    quirks=Quirks(cancels=False),
    facts=Facts(
        headquarters="US",
        privacy_url="https://aws.amazon.com/privacy",
        terms_url="https://aws.amazon.com/service-terms/",
        status_url="https://health.aws.amazon.com/health/status",
        trains=False,
        retains=False,
    ),
)
AMAZON = (BEDROCK,)
