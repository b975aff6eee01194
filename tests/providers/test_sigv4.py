"""Signatures equal those of botocore's signer, and Bedrock's credentials are read wherever they may stand."""

from datetime import UTC, datetime
from unittest import mock

import msgspec
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from tollway.domain.http import HttpRequest
from tollway.providers.base import bearer, signed
from tollway.providers.sigv4 import AwsKeys, credential_from, read_keys, sigv4

NOW_S = 1_763_683_200.0
URL = "https://bedrock-runtime.us-east-1.amazonaws.com"
visible = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=40)
url_text = st.text("abcZ019-._~%:/@!$&'()*+,;=", max_size=40)
values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=30)


def credential(region: str = "us-east-1", secret: str = "wJalr", token: str | None = None) -> str:
    return msgspec.json.encode(AwsKeys("AKIDEXAMPLE", secret, region, token)).decode()


def theirs(keys: AwsKeys, request: HttpRequest, now_s: float, region: str) -> dict[str, str]:
    """The headers of botocore's signer."""
    aws = AWSRequest(request.method, request.url, data=request.body)
    for name, value in request.headers:
        aws.headers.add_header(name, value)
    when = datetime.fromtimestamp(now_s, UTC)
    with mock.patch("botocore.auth.get_current_datetime", return_value=when):
        secret = Credentials(keys.access_key_id, keys.secret_access_key, keys.session_token)
        SigV4Auth(secret, "bedrock", region).add_auth(aws)
    return {name.lower(): value for name, value in aws.headers.items()}


@given(
    path=url_text,
    query=st.lists(st.tuples(st.text("ab%2F-", min_size=1), st.text("01%2F"), st.sampled_from(["=", ""]))),
    body=st.binary(max_size=200),
    headers=st.lists(st.tuples(st.sampled_from(["content-type", "accept", "X-B", "user-agent"]), values), max_size=4),
    secret=visible,
    token=st.none() | visible,
    port=st.sampled_from(["", ":443", ":8443"]),
    now_s=st.floats(0, 4e9),
)
def test_signatures_equal_botocores(
    path: str,
    query: list[tuple[str, str, str]],
    body: bytes,
    headers: list[tuple[str, str]],
    secret: str,
    token: str | None,
    port: str,
    now_s: float,
) -> None:
    """Paths that are escaped already are escaped again; query, headers, body, token and time all count."""
    asked = "&".join(name + sign + (value if sign else "") for name, value, sign in query)
    url = f"{URL}{port}/{path}" + (f"?{asked}" if asked else "")
    request = HttpRequest("POST", url, tuple(headers), body)
    keys = AwsKeys("AKIDEXAMPLE", secret, "eu-west-1", token)
    expected = theirs(keys, request, now_s, "us-east-1")
    ours = dict(sigv4(msgspec.json.encode(keys).decode(), request, now_s))
    assert ours == {name: expected[name] for name in ours}
    assert ("x-amz-security-token" in ours) is (token is not None)


def test_a_models_path_is_escaped_twice() -> None:
    """A fixed signature, of botocore 1.44 for the same request: an ARN in the path, where single escaping fails."""
    arn = "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2Fabc"
    request = HttpRequest("POST", f"{URL}/model/{arn}/converse", (("content-type", "application/json"),), b"{}")
    assert sigv4(credential(), request, NOW_S) == (
        ("x-amz-date", "20251121T000000Z"),
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20251121/us-east-1/bedrock/aws4_request, "
            "SignedHeaders=content-type;host;x-amz-date, "
            "Signature=2fc62e164d479913b0310627db222ef31f630fc2d5b40986ba92951d6d441cee",
        ),
    )


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("bedrock-runtime.us-west-2.amazonaws.com", "us-west-2"),
        ("bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("bedrock-runtime.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("bedrock-runtime.ap-southeast-2.api.aws", "ap-southeast-2"),
        ("vpce-0f-x.bedrock-runtime.eu-central-1.vpce.amazonaws.com", "eu-central-1"),
        ("proxy.example.org", "sa-east-1"),
        ("localhost:8080", "sa-east-1"),
    ],
)
def test_the_address_names_the_region(host: str, region: str) -> None:
    """A signature for another region than the one that is called is refused."""
    proof = dict(sigv4(credential("sa-east-1"), HttpRequest("POST", f"https://{host}/model/x/converse"), NOW_S))
    assert f"/20251121/{region}/bedrock/aws4_request" in proof["authorization"]


def test_a_bedrock_api_key_is_a_bearer_token() -> None:
    """What is no JSON object goes as it is; without a credential nothing does."""
    request = HttpRequest("POST", f"{URL}/model/x/converse")
    assert sigv4("ABSKQmVk", request, NOW_S) == bearer("ABSKQmVk", request, NOW_S)
    assert sigv4("", request, NOW_S) == ()


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "{}",
        '{"accessKeyId": "A", "secretAccessKey": "s"}',
        '{"accessKeyId": "A", "secretAccessKey": "s", "region": ""}',
        '{"accessKeyId": "A\\r\\nx: y", "secretAccessKey": "s", "region": "us-east-1"}',
        '{"accessKeyId": "A", "secretAccessKey": "s", "region": 7}',
    ],
)
def test_keys_that_cannot_be_read_sign_nothing(text: str) -> None:
    """No exception on the way of a request: the provider refuses it; and no secret in the words of the error."""
    request = HttpRequest("POST", f"{URL}/model/x/converse", (("content-type", "application/json"),))
    assert signed(request, sigv4, text, NOW_S) == request
    with pytest.raises(ValueError, match="AWS keys") as caught:
        read_keys(text)
    assert '"s"' not in str(caught.value)


def test_keys_as_the_form_writes_them() -> None:
    """Seed 003's JSON, over several lines; the repr shows no secret."""
    keys = read_keys('\n{\n "accessKeyId": "A",\n "secretAccessKey": "hush", "region": "us-east-1", "x": 1}\n')
    assert keys == AwsKeys("A", "hush", "us-east-1")
    assert "hush" not in repr(keys)


KEYS = {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "s"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        (KEYS, None),
        ({"AWS_ACCESS_KEY_ID": "A", "AWS_REGION": "us-east-1"}, None),
        (KEYS | {"AWS_REGION": "us-east-1"}, AwsKeys("A", "s", "us-east-1")),
        (KEYS | {"AWS_DEFAULT_REGION": "us-east-2"}, AwsKeys("A", "s", "us-east-2")),
        (KEYS | {"AWS_REGION": "us-east-1", "AWS_SESSION_TOKEN": "t"}, AwsKeys("A", "s", "us-east-1", "t")),
        (KEYS | {"AWS_REGION": "us-east-1", "AWS_BEARER_TOKEN_BEDROCK": "ABSK"}, "ABSK"),
    ],
)
def test_the_environment_holds_credentials(environment: dict[str, str], expected: AwsKeys | str | None) -> None:
    """AWS's own names; the API key counts first, as in AWS's own tools."""
    found = credential_from(lambda name: environment.get(name, ""))
    assert ((found and read_keys(found)) or found) == expected
