"""`tollway init`: a commented tollway.toml, with the providers that the environment and this machine have already."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from tollway.catalog.shipped import shipped
from tollway.cli.providers import block_of
from tollway.cli.terminal import console
from tollway.config import (
    CONFIG_FILE,
    GOOGLE_ENV,
    Config,
    ConfigError,
    ModelConfig,
    ProviderConfig,
    Server,
    load_without_file,
)
from tollway.domain.catalog import ProviderInfo, WireFormat
from tollway.gateway.live import missing
from tollway.gateway.server_lists import LOCAL_SERVERS
from tollway.gateway.supply import SPOKEN
from tollway.providers import provider_for
from tollway.providers.sigv4 import ACCESS_KEY_ENV
from tollway.storage.files import read_control

CONNECT_S = 0.2
"""Something on this machine that listens accepts at once."""

EXPLAINED: Mapping[str, tuple[str, str]] = {
    "server.host": ("the address to listen on; 0.0.0.0 lets other machines in: put TLS in front of it", ""),
    "server.port": ("the port to listen on", ""),
    "server.public_url": ("what the site and its samples show, e.g. behind a proxy", '"https://llm.example.org"'),
    "server.request_max_bytes": ("the largest request that is read", ""),
    "server.shutdown_grace_s": ("how long running answers may take to finish when the server stops", ""),
    "server.trusted_proxies": (
        "reverse proxies that are believed when they name the client: addresses and networks",
        '["127.0.0.1", "10.0.0.0/8"]',
    ),
    "server.forwarded_header": ("the header in which they name it, or forwarded", ""),
    "server.mounts": (
        "storefronts (openrouter, openai, platform) at a path of a host name of their own",
        '[{ host = "api.example.org", storefront = "platform", path = "/api/v1" }]',
    ),
    "storage.data_dir": ("where database, secret and lock live", '"~/.local/share/tollway"'),
    "security.secret_key": (
        "peppers the digests of keys; by default made at first start, in the data directory. Without it no key works",
        '"${TOLLWAY_SECRET}"',
    ),
    "security.metrics_token": (
        "bearer token of /metrics; by default only programs on this machine may read it",
        '"${TOLLWAY_METRICS_TOKEN}"',
    ),
    "upstream.connections_per_origin": ("open connections to one provider, at most", ""),
    "upstream.proxies": ("HTTP proxies by scheme or host", '{ https = "http://proxy.example.org:3128" }'),
    "upstream.attempts_max": ("endpoints that one request tries, at most, before it fails", ""),
    "upstream.first_content_s": ("seconds that all attempts of a request have until its answer begins", ""),
    "routing.policy": ("how traffic is balanced: by price, speed and reliability, or by price alone", '"price"'),
    "routing.hedge_extra": ("the part of streamed chats that a second endpoint may be asked as well, at most 0.05", ""),
    "routing.hedge_extra_max": ("the same part, of the chats that ask for it (provider.hedge)", ""),
    "routing.aliases": (
        "names like cpen/middle, for models that change behind them",
        '[{ name = "acme/small", level = "low", models = ["openai/gpt-4o-mini"] }]',
    ),
    "routing.auto": (
        "what openrouter/auto chooses from: models, excluded, cost_tier, and tasks with a list for each",
        '{ models = ["openai/*", "anthropic/*"], cost_tier = "medium" }',
    ),
    "billing.packs": (
        "credits at a price, as GET /v1/billing/status lists them",
        '[{ id = "starter", name = "Starter", price_usd = "10" }]',
    ),
    "payments.stripe_key": ("Stripe's secret key; with it, credits are sold by Stripe Checkout", '"${STRIPE_KEY}"'),
    "payments.stripe_webhook_secret": (
        "what Stripe signs its events to /webhooks/stripe with; several with spaces in between",
        '"${STRIPE_WEBHOOK_SECRET}"',
    ),
    "payments.stripe_url": ("where Stripe's API is", ""),
    "payments.coinbase_key_id": ("Coinbase Business: the id of an API key", '"${CDP_API_KEY_ID}"'),
    "payments.coinbase_key": ("its secret", '"${CDP_API_KEY_SECRET}"'),
    "payments.coinbase_webhook_secret": (
        "what Coinbase signs its events to /webhooks/coinbase with",
        '"${COINBASE_WEBHOOK_SECRET}"',
    ),
    "payments.coinbase_url": ("where its API is", ""),
    "payments.fee_percent": ("what is charged beside the credits, in percent", '"5.5"'),
    "payments.fee_min_usd": ("the least of that fee, in USD", '"0.80"'),
    "payments.crypto_fee_percent": ("the fee of payments in crypto", '"5"'),
    "payments.purchase_min_usd": ("the least that is sold at once, in USD", ""),
    "payments.purchase_max_usd": ("the most", ""),
    "payments.refund_h": ("hours in which buyers may have back what is unused", ""),
    "payments.expire_days": ("when what is left of a purchase expires; 0: never", ""),
    "payments.expire_given_days": ("when what is left of a grant expires; 0: never", ""),
    "payments.tax_name": ("what a tax is called on receipts", ""),
    "payments.tax_percent": ("what of each price is tax: prices include it", '"20"'),
    "payments.seller": ("who sells, as receipts say it", '"Example Ltd\\n1 High Street"'),
    "billing.groups": (
        "workspaces and keys whose prices are the catalog's, multiplied",
        '[{ name = "partners", multiplier = "1.2", workspaces = ["default"] }]',
    ),
    "platform.models": (
        "the registry of the platform's API: what each model costs, in whole credits for a request",
        '[{ id = "openai/gpt-4o-mini", credit_cost = 3 }]',
    ),
    "platform.credit_usd": ("what a platform credit is worth, in USD", ""),
    "byok.fee_percent": ("what the use of workspaces' own provider keys costs, of the list price", ""),
    "byok.free_requests_monthly": ("so many requests of a workspace in a month cost none of that", "1000"),
    "byok.ring": (
        "keys in base64 under which they lie, the present one first; by default a file in the data directory",
        '["${TOLLWAY_BYOK_KEY}"]',
    ),
    "leaks.url": (
        "where a scanner of public code lists its keys: with it, leaked keys can be reported",
        '"https://api.github.com/meta/public_keys/secret_scanning"',
    ),
    "leaks.keys": ("public keys of scanners by identifier, as PEM", ""),
    "mail.host": ("the SMTP server that takes mail for alerts; without one none is sent", '"smtp.example.com"'),
    "mail.port": ("its port", ""),
    "mail.starttls": ("whether the connection is encrypted before anything is said", ""),
    "mail.tls": ("whether it is encrypted from the first byte on, as on port 465", ""),
    "mail.username": ("the account there", '"tollway"'),
    "mail.password": (
        "its password; TOLLWAY_MAIL__PASSWORD or TOLLWAY_MAIL__PASSWORD_FILE keep it out of here",
        '"${SMTP_PASSWORD}"',
    ),
    "mail.sender": ("the address that mail comes from", '"tollway@example.com"'),
    "mail.timeout_s": ("how long the server may take", ""),
    "moderation.models": ("chat models that are asked only after moderation: ids or wildcards", '["openai/*"]'),
    "moderation.model": ("the moderation model that judges, with this server's keys and at your cost", ""),
    "moderation.on_failure": ('what happens to what nobody could judge: "refuse" or "allow"', '"refuse"'),
    "moderation.timeout_s": ("how long a judgement may take", ""),
    "users.sign_up": ('who may become a user: "open" to everybody, by "invite", or "off"', '"open"'),
    "users.challenges": ("how apps that ask users for a key may protect its code", '["S256"]'),
    "users.issuers": (
        "where users may sign in: GitHub, Google, or any OIDC issuer by its `url`",
        '[{ slug = "github", client_id = "...", client_secret = "${GITHUB_CLIENT_SECRET}" }]',
    ),
    "users.launch_credit_usd": ("credits of a new user's own workspace, in USD", '"1"'),
    "records.content_keep_days": (
        "days for which prompts and answers stay, of workspaces that have them kept; 0: none are kept",
        "7",
    ),
    "records.content_discount_percent": (
        "what a workspace pays less that lets you use its prompts and answers; 0: no workspace can",
        "2.5",
    ),
    "records.content_max_bytes": ("of prompt and answer of one request; what is longer is cut", "65536"),
    "records.keep_days": ("days for which the records of finished requests stay; 0: for ever", "90"),
    "routing.default_model": ("the model of chat requests that name none", '"openai/gpt-4o-mini"'),
    "upstream.recount_share": (
        "the part of answers whose tokens are also counted here, to see providers' counts drift",
        "",
    ),
    "upstream.fetch_allow": (
        "private hosts and networks that images and files of requests may be fetched from",
        '["files.internal", "10.0.0.0/8"]',
    ),
    "limits.key_rpm": ("requests a minute for each key; 0 is no limit, here and below", ""),
    "limits.workspace_rpm": ("requests a minute for each workspace", ""),
    "limits.model_rpm": ("requests a minute for each workspace and model", ""),
    "limits.models_rpm": ("the same by model", '{ "openai/gpt-4o" = 30 }'),
    "limits.address_rpm": ("requests a minute from each client address", ""),
    "limits.key_tpm": ("tokens a minute for each key", ""),
    "limits.workspace_tpm": ("tokens a minute for each workspace", ""),
    "limits.key_at_once": ("requests under way for each key", ""),
    "limits.workspace_at_once": ("requests under way for each workspace", ""),
    "limits.credit_rps": ("requests a second for each credit that a key may spend", ""),
    "limits.surge_rps": ("the most that credits give", ""),
    "limits.free_rpm": ("requests of :free models a minute for each workspace", ""),
    "limits.free_rpd": ("requests of :free models a day for each workspace", ""),
    "limits.free_rpd_paid": ("the same for who has bought credits", ""),
    "limits.free_paid_credits": ("how many these are", ""),
    "limits.guest_rpm": ("requests a minute without a key, for each client address", ""),
    "limits.guest_rpd": ("the same a day, of all guests together", ""),
    "limits.burst_s": ("how much of a rate may be used at once: what it gives in so many seconds", ""),
    "guest.models": ("models that may be asked without a key; none: nothing may", '["openai/gpt-4o-mini:free"]'),
    "guest.output_max": ("tokens of an answer to a guest, at most", ""),
    "providers.slug": ("its name: one of the catalog's (`tollway providers list`), or your own choice", '"my-server"'),
    "providers.base_url": ("its address, up to where /chat/completions follows", '"http://10.0.0.5:8000/v1"'),
    "providers.models_url": (
        "where its models are listed, if not at base_url + /models",
        '"http://10.0.0.5:8000/list"',
    ),
    "providers.name": ("its name for people", '"My server"'),
    "providers.key": ("its key: name a variable rather than write it here", '"${MY_SERVER_KEY}"'),
    "providers.keys": ("several of its keys, in place of `key`", '["${MY_SERVER_KEY}", "${MY_OTHER_KEY}"]'),
    "providers.models": ("its models, where they should not be listed from it (each as below)", ""),
    "providers.free": ("what it lists without a price costs nothing", ""),
    "providers.speaks": ("a server's wire format, if not OpenAI's chat", '"anthropic_messages"'),
    "providers.auth": ("the header that carries its key, if not the format's own", '"authorization"'),
    "providers.variables": ("what `${NAME}` in its address stands for", '{ AZURE_RESOURCE_NAME = "my-resource" }'),
    "providers.deployments": ("model -> what the provider calls it", '{ "openai/gpt-4o" = "my-gpt-4o" }'),
    "providers.weight": ("its share of balanced traffic is multiplied by it; 0: only where no other can", "1.0"),
    "providers.enabled": ("it is asked; switched off, it gets no new request", "true"),
    "providers.cancels": ("whether it stops working when we hang up, where that is not known", "true"),
    "providers.trains": ("it trains on prompts", "false"),
    "providers.retains": ("it keeps prompts after the answer", "false"),
    "providers.first_event_s": ("how long until its first word", ""),
    "providers.idle_s": ("how long between two words", ""),
    "providers.whole_s": ("how long an answer that is not streamed may take", ""),
    "providers.total_s": ("how long a stream may take", ""),
    "providers.models.id": ("what callers write: author/name", '"meta-llama/llama-3.3-70b-instruct"'),
    "providers.models.upstream": ("what the server calls it, if not the same", '"llama3.3:70b"'),
    "providers.models.price_prompt": ("USD per token of the prompt, as a text", '"0.0000005"'),
    "providers.models.price_completion": ("USD per token of the answer", '"0.000001"'),
    "providers.models.price_request": ("USD per request", '"0.001"'),
    "providers.models.free": ("instead of prices: it costs nothing", ""),
    "providers.models.context": ("tokens of prompt and answer together", ""),
    "providers.models.output_max": ("tokens of the answer, at most", "8192"),
    "providers.models.operation": ("what it does: chat, embeddings, rerank or moderation", '"chat"'),
}
"""Each option of config.py -> what it does, and a value to show where the default is none."""

HEAD = """# Tollway's configuration. Every option is here; what is commented out shows its default, or an example.
# A variable sets the same: TOLLWAY_SERVER__PORT=9000. "${NAME}" in a text stands for a variable's value.
"""


class Found(Struct, frozen=True):
    """A provider to offer: its block, why, and whether the block is commented out."""

    why: str
    block: str
    commented: bool = False
    port: int | None = None
    """Where it listens, if it is on this machine."""


def init(
    path: Path,
    *,
    force: bool,
    environment: Mapping[str, str] | None = None,
    ports: Mapping[int, tuple[str, str]] = LOCAL_SERVERS,
) -> None:
    """Writes the file and says what comes next. ConfigError: the file is there, and `force` was not said.

    `ports`: where to look for local servers, with their slugs and names.
    """
    if path.exists() and not force:
        raise ConfigError(f"{path} is there already; `tollway init {path} --force` replaces it")
    # Without the file that may be there: it is about to be replaced, and may be what is broken.
    config = load_without_file(environment)
    found = [*keys_in(config.environment), *asyncio.run(local_servers(ports, config))]
    taken = any(each.port == Server().port for each in found)
    text = config_text(found, port=Server().port + 1 if taken else None)
    if path.parent != Path():
        path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    out = console()
    out.print(f"[green]{path}[/] is written.")
    for each in found:
        if not each.commented:
            out.print(f"  found: {each.why}", markup=False)
    if not any(not each.commented for each in found):
        out.print("  No provider's key is in the environment, and no server of a model was found on this machine.")
        out.print("  Set a key first, for example:  export OPENAI_API_KEY=...   or see it work: tollway demo")
    where = "" if path == Path(CONFIG_FILE) else f" --config {path}"
    out.print(f"\nNext:  tollway serve{where}", markup=False, soft_wrap=True)


def config_text(found: list[Found], *, port: int | None = None) -> str:
    """The whole file. `port`: one to set, because something else has the default one."""
    lines = [HEAD]
    for section in msgspec.structs.fields(Config):
        if section.name in ("environment", "providers"):
            continue
        lines.append(f"[{section.name}]")
        for line in _options(section.type, section.name):
            taken = port is not None and line.startswith("# port = ")
            lines.append(f"port = {port}  # something else listens on {Server().port}" if taken else line)
        lines.append("")
    lines += [
        "# Providers: a key for one of the catalog's, or a server of your own. Three lines are enough for one that has",
        "# OpenAI's API (Ollama, vLLM, llama.cpp, LM Studio); its models are listed when Tollway starts:",
        "#   [[providers]]",
        '#   slug = "ollama"',
        '#   base_url = "http://127.0.0.1:11434/v1"',
        "#   free = true",
        "# `tollway providers add URL` asks a server and writes its block. All options of a block:",
        "# [[providers]]",
        *_options(ProviderConfig, "providers"),
        "# [[providers.models]]",
        *_options(ModelConfig, "providers.models"),
        "",
    ]
    for each in found:
        block = each.block.rstrip().splitlines()
        lines += [f"# {each.why}", *(f"# {line}" if each.commented else line for line in block), ""]
    return "\n".join(lines)


def keys_in(environment: Mapping[str, str]) -> list[Found]:
    """Blocks for the catalog's providers whose key is set; of several that share a variable, the first counts."""
    found: list[Found] = []
    offered: set[str] = set()
    for info in sorted(shipped().providers, key=lambda each: (not _namesake(each), each.slug)):
        name = next((name for name in info.key_env if environment.get(name)), None)
        if name is None or info.wire_format not in SPOKEN or not _opens(info, environment):
            continue
        again = name in offered
        offered.add(name)
        why = f"{info.name}: {name} is set" + (", and it belongs to more than one provider" if again else "")
        block = f'[[providers]]\nslug = "{info.slug}"\n'
        # AWS's are several variables, and Google's names a file: the server reads them where they are.
        if ACCESS_KEY_ENV not in info.key_env and name != GOOGLE_ENV:
            block += f'key = "${{{name}}}"\n'
        found.append(Found(why, block, commented=again))
    return found


def _opens(info: ProviderInfo, environment: Mapping[str, str]) -> bool:
    """Whether what the environment holds is all that this provider needs."""
    try:
        return not missing(provider_for(info), None, Config(environment=environment))
    except ValueError:
        return False


def _namesake(info: ProviderInfo) -> bool:
    """DEEPSEEK_API_KEY is first of all DeepSeek's, whoever else takes it."""
    return any(info.slug.replace("-", "_").upper() in name for name in info.key_env)


async def local_servers(ports: Mapping[int, tuple[str, str]], config: Config) -> list[Found]:
    """Blocks for what listens on this machine at the ports of well-known servers, save for ourselves."""
    control = read_control(config.data_dir)
    open_ = await asyncio.gather(*(_listens(port) for port in ports))
    found = []
    for (port, (slug, name)), there in zip(ports.items(), open_, strict=True):
        ours = control is not None and control.url.endswith(f":{port}")
        if there and not ours:
            info = ProviderInfo(slug, name, f"http://127.0.0.1:{port}/v1", WireFormat.OPENAI_CHAT)
            block = block_of(info, key_env=None, models_url=None, free=True)
            found.append(Found(f"{name}, by its port: something listens on 127.0.0.1:{port}", block, port=port))
    return found


async def _listens(port: int) -> bool:
    try:
        async with asyncio.timeout(CONNECT_S):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def _options(struct: Any, place: str) -> Iterator[str]:
    """A line for each option: its default, or an example, as a comment; and what it does."""
    for option in msgspec.structs.fields(struct):
        words, example = EXPLAINED[f"{place}.{option.name}"]
        default = example or "[]" if option.default in (msgspec.NODEFAULT, None) else _toml(option.default)
        yield f"{f'# {option.name} = {example or default}':<46}  # {words}"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) else str(value)
