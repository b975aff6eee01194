"""The configuration: tollway.toml and TOLLWAY_* variables, decoded once; the one reader of the environment."""

import ipaddress
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta, Struct, field

from tollway.billing.settings import EXAMPLE_SECRETS, SLUG, Billing, Payments, Usd, odd_payments
from tollway.domain.aliases import Alias
from tollway.domain.auto import AutoSettings
from tollway.domain.byok import ByokSettings
from tollway.domain.catalog import Operation, WireFormat
from tollway.domain.issuers import Issuer, odd_issuers
from tollway.domain.leaks import SecretScanning, odd_scanning
from tollway.domain.mail import MailSettings, odd_mail
from tollway.domain.moderation import ModerationSettings, odd_moderation
from tollway.domain.money import price_from_text
from tollway.domain.people import ChallengeMethod, SignUp
from tollway.domain.retention import Records
from tollway.domain.storefronts import Guest, Mount, Platform
from tollway.limits import Limits
from tollway.providers import PROVIDERS
from tollway.providers.keys import Secret, keys_in, odd_keys
from tollway.providers.sigv4 import ACCESS_KEY_ENV, credential_from, read_keys
from tollway.routing.hedge import EXTRA_MAX

ENV_PREFIX = "TOLLWAY_"
CONFIG_FILE = "tollway.toml"
GOOGLE_ENV = "GOOGLE_APPLICATION_CREDENTIALS"
SECRETS = (
    "security.secret_key",
    "security.metrics_token",
    "payments.stripe_key",
    "payments.stripe_webhook_secret",
    "payments.coinbase_key",
    "payments.coinbase_webhook_secret",
    "mail.password",
)
"""Values that may also come from a file: TOLLWAY_SECURITY__SECRET_KEY_FILE (Docker's and Kubernetes' secrets)."""

Port = Annotated[int, Meta(ge=0, le=65535)]
Seconds = Annotated[float, Meta(gt=0, le=86400)]


class ConfigError(Exception):
    """The configuration can't be used; the message says where and why."""


class Server(Struct, frozen=True, forbid_unknown_fields=True):
    """Where we listen, and what a client may send."""

    host: str = "127.0.0.1"
    port: Port = 8080
    public_url: str | None = None
    """What the site and the samples show; by default http://host:port."""
    request_max_bytes: Annotated[int, Meta(ge=1024, le=2**30)] = 20 * 2**20
    shutdown_grace_s: Seconds = 30.0
    trusted_proxies: tuple[str, ...] = ()
    """Addresses and networks of reverse proxies that are believed when they name the client."""
    forwarded_header: Literal["x-forwarded-for", "forwarded"] = "x-forwarded-for"
    """Where they name it. Only one: proxies pass on what a stranger wrote into the other."""
    mounts: tuple[Mount, ...] = ()

    def local_url(self, port: int) -> str:
        """Where a process on this machine reaches the server: a wildcard address is no address to connect to."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(self.host, self.host)  # noqa: S104 (compared, not bound)
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"


class Storage(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the database, the secret and the lock live."""

    data_dir: str | None = None


class Security(Struct, frozen=True, forbid_unknown_fields=True):
    """`secret_key` peppers the digests of keys; by default a file of mode 0600 in the data directory.

    `metrics_token` is the bearer token of /metrics; without one, only programs on the same machine may read it.
    """

    secret_key: str | None = None
    metrics_token: str | None = None

    def __repr__(self) -> str:
        return f"Security(secret_key={_masked(self.secret_key)}, metrics_token={_masked(self.metrics_token)})"


class ModelConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """A model of an own provider. Prices are USD per token, decimal strings; `free = true` declares it free."""

    id: str
    upstream: str | None = None
    price_prompt: str | None = None
    price_completion: str | None = None
    price_request: str | None = None
    free: bool = False
    context: Annotated[int, Meta(ge=1)] = 128_000
    output_max: Annotated[int, Meta(ge=1)] | None = None
    operation: Operation = Operation.CHAT
    """What it is asked for: `chat`, `embeddings`, `rerank` or `moderation`."""


class ProviderConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """An own provider, or a key for one of the catalog's. `models` left out: they are listed from the server."""

    slug: Annotated[str, Meta(pattern=SLUG)]
    base_url: str | None = None
    models_url: str | None = None
    """Where its models are listed, with prices if it has them; by default base_url + /models."""
    name: str | None = None
    key: str | None = None
    keys: tuple[str, ...] = ()
    """Several, in place of `key`: one that is refused or rate limited leaves the work to the others."""
    models: tuple[ModelConfig, ...] | None = None
    free: bool = False
    speaks: WireFormat | None = None
    """The wire format of a server of one's own; not said: OpenAI's chat, or what is known of the provider."""
    auth: Literal["authorization", "x-api-key", "x-goog-api-key", "api-key"] | None = None
    """The header that carries the key; not said: as the format's own company wants it."""
    variables: dict[str, str] = {}
    """Values for the `${NAME}` of the catalog's address, in place of the environment's."""
    deployments: dict[str, str] = {}
    """Model id -> what the provider calls it; only these models are sold then."""
    enabled: bool = True
    """Switched off, it gets no new request; those under way end as they would have."""
    weight: Annotated[float, Meta(ge=0.0, le=100.0)] | None = None
    """How much of the balanced traffic it gets beside its like: 2 is twice, 0 nothing while others can; not said: 1."""
    cancels: bool | None = None
    trains: bool | None = None
    """Whether it trains on prompts, by your contract or your own setup; not said: what is publicly known of it."""
    retains: bool | None = None
    """Whether it keeps prompts after the answer."""
    first_event_s: Seconds = 60.0
    idle_s: Seconds = 30.0
    whole_s: Seconds = 600.0
    """How long an answer that is not streamed may take."""
    total_s: Seconds = 1800.0

    def __repr__(self) -> str:
        return f"ProviderConfig(slug={self.slug!r}, base_url={self.base_url!r}, key={_masked(self.key)})"


class Upstream(Struct, frozen=True, forbid_unknown_fields=True):
    """The HTTP side towards providers."""

    connections_per_origin: Annotated[int, Meta(ge=1, le=65536)] = 2048
    proxies: dict[str, str] = {}
    attempts_max: Annotated[int, Meta(ge=1, le=16)] = 4
    first_content_s: Seconds = 60.0
    """What a request has until the first content of its answer, over all its attempts."""
    recount_share: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.001
    """The part of answers whose tokens are also counted by us, to see whether a provider's counts drift."""
    fetch_allow: tuple[str, ...] = ()
    """Host names and networks, private ones too, that images and files of requests may be fetched from."""


class Routing(Struct, frozen=True, forbid_unknown_fields=True):
    """How endpoints are chosen where the request does not say."""

    policy: Literal["traffic", "price"] = "traffic"
    """`traffic`: price, speed and reliability together; `price`: 1/price², OpenRouter's documented default."""
    hedge_extra: Annotated[float, Meta(ge=0.0, le=EXTRA_MAX)] = 0.0
    """The part of streamed chat requests that may be asked of a second endpoint when the first is slow to begin."""
    hedge_extra_max: Annotated[float, Meta(ge=0.0, le=EXTRA_MAX)] = 0.0
    """The same part, of the requests that ask for it by `provider.hedge`."""
    default_model: str | None = None
    """For chat requests that name no model."""
    aliases: tuple[Alias, ...] = ()
    """More names like `cpen/middle`; one with the name of a shipped one replaces it."""
    auto: AutoSettings = AutoSettings()
    """What `openrouter/auto` chooses from, and how."""


class Users(Struct, frozen=True, forbid_unknown_fields=True):
    """Who may become a user, and what a new one gets."""

    sign_up: SignUp = "off"
    """`open` to everybody, by `invite`, or `off`."""
    launch_credit_usd: Usd = "0"
    """Credits of a new user's own workspace."""
    challenges: tuple[ChallengeMethod, ...] = ("S256", "plain", "none")
    """How apps that ask users for a key may protect the code they get for it."""
    issuers: tuple[Issuer, ...] = ()
    """Where users may sign in instead of with a password."""


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole configuration."""

    server: Server = Server()
    storage: Storage = Storage()
    security: Security = Security()
    upstream: Upstream = Upstream()
    routing: Routing = Routing()
    limits: Limits = Limits()
    billing: Billing = Billing()
    payments: Payments = Payments()
    platform: Platform = Platform()
    byok: ByokSettings = ByokSettings()
    guest: Guest = Guest()
    users: Users = Users()
    records: Records = Records()
    leaks: SecretScanning = SecretScanning()
    mail: MailSettings = MailSettings()
    moderation: ModerationSettings = ModerationSettings()
    providers: tuple[ProviderConfig, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    """The process's variables: provider keys are looked up here by the names that the catalog gives."""

    @property
    def data_dir(self) -> Path:
        """The data directory: configured, or `tollway` below the user's data home."""
        if self.storage.data_dir:
            return Path(self.storage.data_dir).expanduser()
        home = self.environment.get("XDG_DATA_HOME")
        return (Path(home) if home else Path.home() / ".local" / "share") / "tollway"

    @property
    def public_url(self) -> str:
        """Without a trailing slash."""
        return (self.server.public_url or self.server.local_url(self.server.port)).rstrip("/")

    def provider_key(self, slug: str, names: tuple[str, ...]) -> Secret | None:
        """The first of `provider_keys`, or None."""
        return next(iter(self.provider_keys(slug, names)), None)

    def provider_keys(self, slug: str, names: tuple[str, ...]) -> tuple[Secret, ...]:
        """A provider's keys: from `[[providers]]`, else from the first of its environment variables that is set.

        `NAME_FILE` serves as well: the file that it names holds them. ConfigError: that file can't be read.
        Without the line break that shells and secret stores like to add: no header could carry it.
        """
        for provider in self.providers:
            if provider.slug == slug and (provider.key or provider.keys):
                return tuple(Secret(key) for key in provider.keys or (provider.key,) if key)
        if ACCESS_KEY_ENV in names and (found := credential_from(self._variable)):
            return (Secret(found),)
        text = "" if ACCESS_KEY_ENV in names else next((value for name in names if (value := self._variable(name))), "")
        return tuple(map(Secret, keys_in(text)))

    def issuer_secret(self, issuer: Issuer) -> str | None:
        """Its `client_secret`, or TOLLWAY_{SLUG}_CLIENT_SECRET or what is in TOLLWAY_{SLUG}_CLIENT_SECRET_FILE."""
        named = f"{ENV_PREFIX}{issuer.slug.replace('-', '_').upper()}_CLIENT_SECRET"
        return issuer.client_secret or self._variable(named) or None

    def _variable(self, name: str) -> str:
        """A variable's value, or what is in the file that `NAME_FILE` names; "" where neither is set.

        Google's own tools have the name of a file in GOOGLE_APPLICATION_CREDENTIALS; JSON is taken as well.
        """
        if value := self.environment.get(name, "").strip():
            return _secret_of(Path(value), name) if name == GOOGLE_ENV and not value.startswith("{") else value
        file = self.environment.get(f"{name}_FILE")
        return _secret_of(Path(file), f"{name}_FILE") if file else ""

    def __repr__(self) -> str:
        """Without the environment, which holds every key."""
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in SECTIONS)
        return f"Config({shown})"


SECTIONS = tuple(each.name for each in msgspec.structs.fields(Config) if each.name != "environment")


def load(path: Path | None = None, environment: Mapping[str, str] | None = None) -> Config:
    """Reads the TOML file, then TOLLWAY_SECTION__KEY variables over it. ConfigError: what is wrong, and its path.

    Without `path`: TOLLWAY_CONFIG, else ./tollway.toml if it is there, else the defaults.
    """
    env = dict(os.environ if environment is None else environment)
    file = config_file(path, env)
    return _build(_read(file) if file else {}, env, str(file or "configuration"))


def load_without_file(environment: Mapping[str, str] | None = None) -> Config:
    """The defaults, and TOLLWAY_SECTION__KEY variables over them: what holds before there is a file."""
    return _build({}, dict(os.environ if environment is None else environment), "configuration")


def _build(tree: dict[str, Any], env: dict[str, str], where: str) -> Config:
    if wrong := "; ".join(_unknown(tree, Config, "")):
        raise ConfigError(f"{where}: {wrong}")
    for name, keys, value in _variables(env):
        _put(tree, name, keys, value)
    _expand(tree, env, "")
    try:
        config = msgspec.convert(tree | {"environment": env}, Config, strict=False)
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at ")
        raise ConfigError(f"{where}: {place.strip('`').removeprefix('$.') or 'file'}: {what}") from None
    if wrong := "; ".join(_odd(config)):
        raise ConfigError(f"{where}: {wrong}")
    return config


def config_file(path: Path | None = None, environment: Mapping[str, str] | None = None) -> Path | None:
    """The file that `load` reads, or None: there is none. ConfigError: the one that was named is not there."""
    env = os.environ if environment is None else environment
    named = path or (Path(env[f"{ENV_PREFIX}CONFIG"]) if env.get(f"{ENV_PREFIX}CONFIG") else None)
    file = named or Path(CONFIG_FILE)
    if file.is_file():
        return file
    if named:
        raise ConfigError(f"{file} is not there; `tollway init {file}` writes a commented one")
    return None


def origins(path: Path | None = None, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Where each value comes from that is not the default: "server.port" -> a file, or a variable's name."""
    env = os.environ if environment is None else environment
    file = config_file(path, env)
    found = {place: str(file) for place, _ in leaves(_read(file))} if file else {}
    return found | {".".join(keys).removesuffix("_file"): name for name, keys, _ in _variables(env)}


def leaves(node: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of nested tables and lists, with its path: `providers[0].slug`."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from leaves(value, f"{place}.{key}" if place else key)
    elif isinstance(node, list | tuple):
        for number, value in enumerate(node):
            yield from leaves(value, f"{place}[{number}]")
    else:
        yield place, node


def misnamed(environment: Mapping[str, str]) -> list[str]:
    """TOLLWAY_* variables that look like a setting and set nothing: TOLLWAY_PORT instead of TOLLWAY_SERVER__PORT.

    No error: Kubernetes sets TOLLWAY_PORT by itself beside a service called "tollway", and clients use TOLLWAY_KEY.
    """
    known: dict[str, str] = {}
    for section in msgspec.structs.fields(Config):
        if (struct := _struct_in(section.type)) and section.name != "providers":
            known = {each.name: section.name for each in msgspec.structs.fields(struct)} | known
    return [
        f"{name} sets nothing; {ENV_PREFIX}{known[key].upper()}__{key.upper()} would"
        for name in sorted(environment)
        if name.startswith(ENV_PREFIX) and (key := name.removeprefix(ENV_PREFIX).lower()) in known
    ]


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: {error}") from None
    except OSError as error:
        raise ConfigError(f"{file} can't be read: {error.strerror}") from None


def _variables(env: Mapping[str, str]) -> list[tuple[str, list[str], str]]:
    """(name, path, value) of each TOLLWAY_SECTION__KEY."""
    names = [name for name in sorted(env) if name.startswith(ENV_PREFIX) and "__" in name]
    return [(name, name.removeprefix(ENV_PREFIX).lower().split("__"), env[name]) for name in names]


def _put(tree: dict[str, Any], name: str, keys: list[str], value: str) -> None:
    """Sets one value of the tree from a variable. ConfigError: the variable names nothing that there is."""
    if ".".join(keys).removesuffix("_file") in SECRETS and keys[-1].endswith("_file"):
        keys = [*keys[:-1], keys[-1].removesuffix("_file")]
        value = _secret_of(Path(value), name)
    nested: Any = value
    for key in reversed(keys):
        nested = {key: nested}
    if wrong := next(_unknown(nested, Config, ""), None):
        raise ConfigError(f"{name}: {wrong}")
    node = tree
    for key in keys[:-1]:
        node = node.setdefault(key, {})
        if not isinstance(node, dict):
            raise ConfigError(f"{name}: {key} can't be set by a variable; write it into {CONFIG_FILE}")
    node[keys[-1]] = value


def _unknown(node: Any, kind: Any, place: str) -> Iterator[str]:
    """A sentence for each key that the Structs don't have, with its whole path and what was probably meant."""
    struct = _struct_in(kind)
    if struct is None:
        return
    if isinstance(node, list):
        for number, item in enumerate(node):
            yield from _unknown(item, struct, f"{place}[{number}]")
    if not isinstance(node, dict):
        return
    known = {each.name: each.type for each in msgspec.structs.fields(struct) if each.name != "environment"}
    for key, value in node.items():
        path = f"{place}.{key}" if place else key
        if key in known:
            yield from _unknown(value, known[key], path)
        else:
            near = get_close_matches(key, known, 1)
            hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(known)}"
            yield f"{path} is not a known key{hint}"


def _struct_in(kind: Any) -> type[Struct] | None:
    """The Struct that a type is, or holds: tuple[ModelConfig, ...] | None -> ModelConfig."""
    if isinstance(kind, type) and issubclass(kind, Struct):
        return kind
    return next((found for each in get_args(kind) if (found := _struct_in(each))), None)


_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def _expand(node: Any, env: Mapping[str, str], place: str) -> None:
    """Replaces each "${NAME}" in a string by the variable's value, in place."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in list(pairs):
        path = f"{place}[{key}]" if isinstance(key, int) else f"{place}.{key}" if place else key
        if not isinstance(value, str):
            _expand(value, env, path)
            continue
        for name in _REFERENCE.findall(value):
            if name not in env:
                raise ConfigError(f"{path} names the variable {name}, which is not set: export {name}=...")
        node[key] = _REFERENCE.sub(lambda found: env[found.group(1)], value)


def _odd(config: Config) -> Iterator[str]:
    """What is of the right type and still can't be meant."""
    for name in ("secret_key", "metrics_token"):
        secret = getattr(config.security, name)
        if secret is not None and secret.strip().lower() in EXAMPLE_SECRETS | {""}:
            yield f"security.{name} is empty or a known example; make one: openssl rand -hex 32"
    yield from odd_payments(config.payments, config.billing)
    yield from odd_issuers(config.users.issuers)
    yield from odd_scanning(config.leaks)
    yield from odd_mail(config.mail)
    yield from odd_moderation(config.moderation)
    for number, network in enumerate(config.server.trusted_proxies):
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            yield f"server.trusted_proxies[{number}]: {error}; write an address or a network, such as 10.0.0.0/8"
    seen: set[str] = set()
    for number, provider in enumerate(config.providers):
        place = f"providers[{number}]"
        if provider.slug in seen:
            yield f'{place}.slug: "{provider.slug}" is there twice; each provider has one block'
        seen.add(provider.slug)
        yield from odd_provider(provider, place)


def odd_provider(provider: ProviderConfig, place: str) -> Iterator[str]:
    """The same of one block: in sentences that begin with `place`."""
    yield from odd_keys(provider.key, provider.keys, place)
    if provider.key and '"accessKeyId"' in provider.key:
        try:
            read_keys(provider.key)
        except ValueError as error:
            yield f"{place}.key: {error}"
    for name in ("base_url", "models_url"):
        url = getattr(provider, name)
        if url is not None and not re.match(r"https?://[^/\s]", url):
            yield f'{place}.{name}: "{url}" does not start with http:// or https://'
    known = PROVIDERS.get(provider.slug)
    listed = provider.base_url is not None or (known is not None and known.listed)
    if not listed and (provider.models is not None or provider.models_url or provider.free):
        yield f"{place}: models, models_url and free need a base_url; without one, the catalog says what is sold"
    if provider.speaks is not None and provider.base_url is None:
        yield f"{place}: speaks needs a base_url; without one, the catalog says which format is spoken"
    for index, model in enumerate(provider.models or ()):
        yield from _odd_model(model, f"{place}.models[{index}]")


def _odd_model(model: ModelConfig, place: str) -> Iterator[str]:
    prices = {name: getattr(model, name) for name in ("price_prompt", "price_completion", "price_request")}
    for name, text in prices.items():
        try:
            price_from_text("0" if text is None else text)
        except ValueError as error:
            yield f"{place}.{name}: {error}"
    if (model.price_prompt is None) is not (model.price_completion is None):
        # A price that is left out would be zero, and zero must be said (MONEY.md, Units).
        yield f'{place}: price_prompt and price_completion go together; a price of 0 is written as "0"'
    if model.free and any(text is not None for text in prices.values()):
        yield f"{place} has a price and is declared free; it can be one of the two"


def _secret_of(file: Path, name: str) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{name}: {file} can't be read: {error}") from None


def _masked(secret: str | None) -> str:
    return "None" if secret is None else "***"
