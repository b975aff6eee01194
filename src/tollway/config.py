"""The configuration: tollway.toml and TOLLWAY_* variables, decoded once into frozen Structs; the one reader of the environment."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, field

ENV_PREFIX = "TOLLWAY_"
EXAMPLE_SECRETS = frozenset({"changeme", "secret", "password", "tollway", "your-secret-key"})

Port = Annotated[int, Meta(ge=0, le=65535)]
Seconds = Annotated[float, Meta(gt=0, le=86400)]


class ConfigError(Exception):
    """The configuration can't be used; the message says where and why."""


class Secret:
    """A string that no log, error or repr shows; `reveal()` gives it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    def __bool__(self) -> bool:
        return bool(self._value)


class Server(Struct, frozen=True, forbid_unknown_fields=True):
    """Where we listen, and what a client may send."""

    host: str = "127.0.0.1"
    port: Port = 8080
    public_url: str | None = None
    """What the site and the samples show; by default http://host:port."""
    request_max_bytes: Annotated[int, Meta(ge=1024, le=2**30)] = 20 * 2**20
    shutdown_grace_s: Seconds = 30.0


class Storage(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the database, the secret and the lock live."""

    data_dir: str | None = None


class Security(Struct, frozen=True, forbid_unknown_fields=True):
    """`secret_key` peppers the digests of keys; by default a file of mode 0600 in the data directory."""

    secret_key: str | None = None


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


class ProviderConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """An own provider, or a key for one of the catalog's. `models` left out: they are listed from the server."""

    slug: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._/-]{0,63}$")]
    base_url: str | None = None
    name: str | None = None
    key: str | None = None
    models: tuple[ModelConfig, ...] | None = None
    free: bool = False
    cancels: bool = True
    first_event_s: Seconds = 60.0
    idle_s: Seconds = 30.0
    total_s: Seconds = 1800.0


class Upstream(Struct, frozen=True, forbid_unknown_fields=True):
    """The HTTP side towards providers."""

    connections_per_origin: Annotated[int, Meta(ge=1, le=65536)] = 2048
    proxies: dict[str, str] = {}
    attempts_max: Annotated[int, Meta(ge=1, le=16)] = 4


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole configuration."""

    server: Server = Server()
    storage: Storage = Storage()
    security: Security = Security()
    upstream: Upstream = Upstream()
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
        host = self.server.host if self.server.host not in {"0.0.0.0", "::"} else "127.0.0.1"  # noqa: S104 (compared, not bound)
        return (self.server.public_url or f"http://{host}:{self.server.port}").rstrip("/")

    def provider_key(self, slug: str, names: tuple[str, ...]) -> Secret | None:
        """A provider's key: from `[[providers]]`, else from the first of its environment variables that is set."""
        for provider in self.providers:
            if provider.slug == slug and provider.key:
                return Secret(provider.key)
        for name in names:
            if value := self.environment.get(name):
                return Secret(value)
        return None


def load(path: Path | None = None, environment: Mapping[str, str] | None = None) -> Config:
    """Reads the TOML file, then TOLLWAY_SECTION__KEY variables over it. ConfigError: what is wrong, and its path.

    Without `path`: TOLLWAY_CONFIG, else ./tollway.toml if it is there, else the defaults.
    """
    env = dict(os.environ if environment is None else environment)
    tree = _read(path, env)
    for name, value in env.items():
        section, _, key = name.removeprefix(ENV_PREFIX).lower().partition("__")
        if name.startswith(ENV_PREFIX) and key:
            table = tree.setdefault(section, {})
            if not isinstance(table, dict):
                raise ConfigError(f"{name}: [{section}] is a list and can't be set by a variable")
            table[key] = value
    _expand(tree, env)
    try:
        config = msgspec.convert(tree | {"environment": env}, Config, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(_sentence(str(error), path)) from None
    if config.security.secret_key is not None and config.security.secret_key.lower() in EXAMPLE_SECRETS | {""}:
        raise ConfigError("security.secret_key is empty or a known example; make one: openssl rand -hex 32")
    return config


def _read(path: Path | None, env: Mapping[str, str]) -> dict[str, Any]:
    named = path or (Path(env[f"{ENV_PREFIX}CONFIG"]) if f"{ENV_PREFIX}CONFIG" in env else None)
    file = named or Path("tollway.toml")
    if not file.is_file():
        if named:
            raise ConfigError(f"{file} is not there; `tollway init` writes a commented one")
        return {}
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: {error}") from None


def _expand(node: Any, env: Mapping[str, str]) -> None:
    """Replaces "${NAME}" by the variable's value, in place."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in list(pairs):
        if isinstance(value, str) and value.startswith("${") and value.endswith("}"):
            name = value[2:-1]
            if name not in env:
                raise ConfigError(f"the variable {name}, which the configuration names, is not set")
            node[key] = env[name]
        else:
            _expand(value, env)


def _sentence(error: str, path: Path | None) -> str:
    what, _, where = error.partition(" - at ")
    place = where.strip("`").removeprefix("$.") if where else ""
    if "unknown field" in what:
        name = what.rsplit("`", 2)[-2]
        return f"{path or 'configuration'}: {f'{place}.' if place and place != '$' else ''}{name} is not a known key"
    return f"{path or 'configuration'}: {place or 'file'}: {what}"
