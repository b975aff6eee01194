"""The configuration: what is read from where, and that a mistake is named with its path."""

from pathlib import Path

import pytest

from tollway.config import Config, ConfigError, ProviderConfig, Security, load, load_without_file, misnamed, origins
from tollway.providers.sigv4 import AwsKeys, read_keys


def loaded(folder: Path, text: str, **environment: str) -> Config:
    """A configuration out of a text and some variables."""
    file = folder / "tollway.toml"
    file.write_text(text)
    return load(file, environment)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("prot = 1", "prot is not a known key; known are server, storage"),
        ("[server]\nprot = 1", "server.prot is not a known key; did you mean port?"),
        ('[[providers]]\nslug = "a"\nmodles = []', "providers[0].modles is not a known key; did you mean models?"),
        (
            '[[providers]]\nslug = "a"\n[[providers]]\nslug = "b"\nmodels = [{id = "m", fre = 1}]',
            "providers[1].models[0].fre is not a known key; did you mean free?",
        ),
        ("environment = {}", "environment is not a known key"),
        ('[server]\nport = "x"', "server.port: Expected `int`"),
        ("[server]\nport = 70000", "server.port: Expected `int` <= 65535"),
        ("server = 3", "server: Expected `object`, got `int`"),
        ("[server", "tollway.toml: "),
        ('[server]\ntrusted_proxies = ["10.0.0.1/8"]', "server.trusted_proxies[0]: 10.0.0.1/8 has host bits set"),
        ('[server]\ntrusted_proxies = ["::1", "lb"]', "server.trusted_proxies[1]: 'lb' does not appear to be an IPv4"),
        ('[server]\nforwarded_header = "x-real-ip"', "server.forwarded_header: Invalid enum value"),
        ('[security]\nsecret_key = ""', "security.secret_key is empty or a known example"),
        ('[security]\nsecret_key = "  "', "security.secret_key is empty or a known example"),
        ('[security]\nsecret_key = "ChangeMe"', "security.secret_key is empty or a known example"),
        ('[[providers]]\nslug = "a"\nkey = ""', "providers[0].key is empty"),
        (
            '[[providers]]\nslug = "a"\nkey = "${NOT_SET}"',
            "providers[0].key names the variable NOT_SET, which is not set",
        ),
        ('[[providers]]\nslug = "a"\nbase_url = "localhost:1"', 'providers[0].base_url: "localhost:1" does not start'),
        ('[[providers]]\nslug = "a"\nfree = true', "providers[0]: models, models_url and free need a base_url"),
        ('[[providers]]\nslug = "a"\n[[providers]]\nslug = "a"', 'providers[1].slug: "a" is there twice'),
        (
            '[[providers]]\nslug = "a"\nbase_url = "http://a"\nmodels = [{id = "m", price_prompt = "-1"}]',
            "providers[0].models[0].price_prompt: '-1' is not between 0",
        ),
        (
            '[[providers]]\nslug = "a"\nbase_url = "http://a"\nmodels = [{id = "m", price_prompt = "1", free = true}]',
            "providers[0].models[0] has a price and is declared free",
        ),
    ],
)
def test_a_mistake_is_named_with_its_path(tmp_path: Path, text: str, error: str) -> None:
    """Nothing misspelt is passed over, nothing absurd is taken; the message says where."""
    with pytest.raises(ConfigError) as raised:
        loaded(tmp_path, text)
    assert error in str(raised.value)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("TOLLWAY_SERVR__PORT", "1", "TOLLWAY_SERVR__PORT: servr is not a known key; did you mean server?"),
        ("TOLLWAY_SERVER__PROT", "1", "TOLLWAY_SERVER__PROT: server.prot is not a known key; did you mean port?"),
        ("TOLLWAY_SERVER__PORT", "many", "server.port: Expected `int`"),
        ("TOLLWAY_PROVIDERS__SLUG", "a", "TOLLWAY_PROVIDERS__SLUG: providers can't be set by a variable"),
        ("TOLLWAY_SECURITY__SECRET_KEY", "", "security.secret_key is empty"),
        (
            "TOLLWAY_SECURITY__SECRET_KEY_FILE",
            "absent.txt",
            "TOLLWAY_SECURITY__SECRET_KEY_FILE: absent.txt can't be",
        ),
        ("TOLLWAY_SERVER__PORT_FILE", "x", "TOLLWAY_SERVER__PORT_FILE: server.port_file is not a known key"),
    ],
)
def test_a_variable_that_sets_nothing_is_an_error(tmp_path: Path, name: str, value: str, error: str) -> None:
    """A variable is held to the same rules as the file."""
    with pytest.raises(ConfigError) as raised:
        loaded(tmp_path, '[[providers]]\nslug = "a"\n', **{name: value})
    assert error in str(raised.value)


def test_a_variable_wins_over_the_file(tmp_path: Path) -> None:
    """TOLLWAY_SECTION__KEY replaces what the file says, tables inside a section included; origins tell which it was."""
    text = '[server]\nport = 1\nhost = "::1"\n'
    variables = {"TOLLWAY_SERVER__PORT": "2", "TOLLWAY_UPSTREAM__PROXIES__HTTPS": "http://proxy:1"}
    config = loaded(tmp_path, text, **variables)
    assert (config.server.port, config.upstream.proxies) == (2, {"https": "http://proxy:1"})
    assert config.public_url == "http://[::1]:2"
    assert origins(tmp_path / "tollway.toml", variables) == {
        "server.port": "TOLLWAY_SERVER__PORT",
        "server.host": str(tmp_path / "tollway.toml"),
        "upstream.proxies.https": "TOLLWAY_UPSTREAM__PROXIES__HTTPS",
    }


def test_references_stand_for_variables(tmp_path: Path) -> None:
    """ "${NAME}" works alone, inside a text, and twice; what a variable holds is not expanded again."""
    text = '[[providers]]\nslug = "a"\nbase_url = "http://${HOST}:${PORT}/v1"\nkey = "${KEY}"\n'
    provider = loaded(tmp_path, text, HOST="h", PORT="1", KEY="${HOST}").providers[0]
    assert (provider.base_url, provider.key) == ("http://h:1/v1", "${HOST}")


def test_secrets_may_be_files(tmp_path: Path) -> None:
    """Docker and Kubernetes give secrets as files: ours, and the keys that the catalog names."""
    (tmp_path / "pepper").write_text("0123456789abcdef\n")
    (tmp_path / "key").write_text("sk-from-file\n")
    environment = {
        "TOLLWAY_SECURITY__SECRET_KEY_FILE": str(tmp_path / "pepper"),
        "OPENAI_API_KEY_FILE": str(tmp_path / "key"),
        "GROQ_API_KEY_FILE": str(tmp_path / "absent"),
    }
    config = load_without_file(environment)
    assert config.security.secret_key == "0123456789abcdef"
    key = config.provider_key("openai", ("OPENAI_API_KEY",))
    assert key is not None
    assert key.reveal() == "sk-from-file"
    with pytest.raises(ConfigError, match=r"GROQ_API_KEY_FILE: .*absent can't be read"):
        config.provider_key("groq", ("GROQ_API_KEY",))


@pytest.mark.parametrize(("value", "key"), [("sk-from-env\n", "sk-from-env"), ("\n", None)])
def test_a_line_break_behind_a_key_is_not_of_it(value: str, key: str | None) -> None:
    """No header can carry it: every request to that provider failed, and nothing else was tried."""
    found = load_without_file({"OPENAI_API_KEY": value}).provider_key("openai", ("OPENAI_API_KEY",))
    assert (found and found.reveal()) == key


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a", ["a"]),
        ("a, b\n", ["a", "b"]),
        ("a\nb\n\nc", ["a", "b", "c"]),
        ("a,b,a,", ["a", "b"]),
        (",", []),
        ('{"client_email": "x", "private_key": "y"}', ['{"client_email": "x", "private_key": "y"}']),
    ],
)
def test_a_variable_may_hold_several_keys(value: str, expected: list[str]) -> None:
    """Commas or lines between them, each once; JSON is one credential, however many commas it has."""
    found = load_without_file({"OPENAI_API_KEY": value}).provider_keys("openai", ("OPENAI_API_KEY",))
    assert [each.reveal() for each in found] == expected


def test_a_block_may_hold_several_keys(tmp_path: Path) -> None:
    """In their order, before the environment's; a comma in one of them is its own."""
    config = loaded(tmp_path, '[[providers]]\nslug = "openai"\nkeys = ["${ONE}", "b,c"]\n', ONE="a", OPENAI_API_KEY="z")
    assert [each.reveal() for each in config.provider_keys("openai", ("OPENAI_API_KEY",))] == ["a", "b,c"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('key = "hush"\nkeys = ["hush2"]', "providers[0] has key and keys; write all of them into keys"),
        ('keys = ["hush", " "]', "providers[0].keys[1] is empty"),
        ('keys = ["hush", "b", "hush"]', "providers[0].keys[2] is there twice"),
        ('keys = "hush"', "providers[0].keys: Expected `array`, got `str`"),
    ],
)
def test_keys_that_cannot_be_meant(tmp_path: Path, text: str, error: str) -> None:
    """The message names the place, and repeats no key."""
    with pytest.raises(ConfigError) as raised:
        loaded(tmp_path, f'[[providers]]\nslug = "openai"\n{text}\n')
    assert error in str(raised.value)
    assert "hush" not in str(raised.value)


def test_aws_keys_may_be_files(tmp_path: Path) -> None:
    """Each of the variables that make one credential."""
    (tmp_path / "secret").write_text("hush\n")
    environment = {
        "AWS_ACCESS_KEY_ID": "AKIA",
        "AWS_SECRET_ACCESS_KEY_FILE": str(tmp_path / "secret"),
        "AWS_REGION": "eu-west-1",
    }
    key = load_without_file(environment).provider_key("amazon-bedrock", ("AWS_ACCESS_KEY_ID",))
    assert key is not None
    assert read_keys(key.reveal()) == AwsKeys("AKIA", "hush", "eu-west-1")


def test_aws_keys_that_lack_something_are_named(tmp_path: Path) -> None:
    """The message says what is missing, and repeats no value."""
    text = """[[providers]]
slug = "amazon-bedrock"
key = '{"accessKeyId": "AKIA", "secretAccessKey": "hush"}'
"""
    with pytest.raises(ConfigError, match=r"providers\[0\].key: AWS keys are a JSON object .* `region`") as caught:
        loaded(tmp_path, text)
    assert "hush" not in str(caught.value)


def test_no_repr_shows_a_secret() -> None:
    """A configuration that ends up in a log or a traceback gives nothing away."""
    provider = ProviderConfig(slug="a", key="sk-very-secret", keys=("a-very-secret", "b-very-secret"))
    config = Config(security=Security("very-secret"), providers=(provider,), environment={"X_API_KEY": "very-secret"})
    assert "very-secret" not in repr(config)
    assert "very-secret" not in repr((provider, config.security))


def test_a_named_file_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file the defaults hold; a file that was asked for and is absent is an error that says what to do."""
    monkeypatch.chdir(tmp_path)
    assert load(environment={}).server.port == 8080
    for path, environment in ((Path("absent.toml"), {}), (None, {"TOLLWAY_CONFIG": "absent.toml"})):
        with pytest.raises(ConfigError, match=r"absent.toml is not there; `tollway init absent.toml`"):
            load(path, environment)
    (tmp_path / "tollway.toml").write_text("[server]\nport = 9\n")
    assert load(environment={}).server.port == 9
    assert load_without_file({}).server.port == 8080


def test_variables_without_a_section_are_noticed() -> None:
    """TOLLWAY_PORT sets nothing, which doctor says; a client's TOLLWAY_KEY is nobody's mistake."""
    assert misnamed({"TOLLWAY_PORT": "1", "TOLLWAY_KEY": "x", "TOLLWAY_SERVICE_HOST": "h", "PORT": "1"}) == [
        "TOLLWAY_PORT sets nothing; TOLLWAY_SERVER__PORT would"
    ]
    assert load_without_file({"TOLLWAY_PORT": "tcp://10.0.0.1:8080"}).server.port == 8080


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:5"),
        ("::", "http://[::1]:5"),
        ("::1", "http://[::1]:5"),
        ("10.0.0.1", "http://10.0.0.1:5"),
        ("example.org", "http://example.org:5"),
    ],
)
def test_where_the_command_line_finds_the_server(host: str, url: str) -> None:
    """A wildcard address can't be connected to, and an IPv6 address needs brackets."""
    assert load_without_file({"TOLLWAY_SERVER__HOST": host}).server.local_url(5) == url


def test_half_a_price_is_no_price(tmp_path: Path) -> None:
    """A price that is left out would be zero, and zero has to be said."""
    file = tmp_path / "tollway.toml"
    file.write_text(
        '[[providers]]\nslug = "mine"\nbase_url = "http://127.0.0.1:9"\n'
        'models = [{ id = "a/b", price_completion = "0.000001" }]\n'
    )
    with pytest.raises(ConfigError, match="price_prompt and price_completion go together"):
        load(file, {})
