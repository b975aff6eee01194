"""`tollway init`: a commented tollway.toml, with the providers that the environment and this machine have already."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from tollway.catalog.address import fill
from tollway.catalog.shipped import shipped
from tollway.cli.providers import LOCAL_SERVERS, block_of
from tollway.cli.terminal import console
from tollway.config import CONFIG_FILE, Config, ConfigError, ModelConfig, ProviderConfig, Server, load_without_file
from tollway.domain.catalog import ProviderInfo, WireFormat
from tollway.gateway.supply import SPEAKS
from tollway.storage.files import read_control

CONNECT_S = 0.2
"""Something on this machine that listens accepts at once."""

EXPLAINED: Mapping[str, tuple[str, str]] = {
    "server.host": ("the address to listen on; 0.0.0.0 lets other machines in: put TLS in front of it", ""),
    "server.port": ("the port to listen on", ""),
    "server.public_url": ("what the site and its samples show, e.g. behind a proxy", '"https://llm.example.org"'),
    "server.request_max_bytes": ("the largest request that is read", ""),
    "server.shutdown_grace_s": ("how long running answers may take to finish when the server stops", ""),
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
    "providers.slug": ("its name: one of the catalog's (`tollway providers list`), or your own choice", '"my-server"'),
    "providers.base_url": ("its address, up to where /chat/completions follows", '"http://10.0.0.5:8000/v1"'),
    "providers.models_url": (
        "where its models are listed, if not at base_url + /models",
        '"http://10.0.0.5:8000/list"',
    ),
    "providers.name": ("its name for people", '"My server"'),
    "providers.key": ("its key: name a variable rather than write it here", '"${MY_SERVER_KEY}"'),
    "providers.models": ("its models, where they should not be listed from it (each as below)", ""),
    "providers.free": ("what it lists without a price costs nothing", ""),
    "providers.cancels": ("it stops working when we hang up", ""),
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
        if name is None or info.wire_format not in SPEAKS or fill(info.base_url, environment) is None:
            continue
        again = name in offered
        offered.add(name)
        why = f"{info.name}: {name} is set" + (", and it belongs to more than one provider" if again else "")
        block = f'[[providers]]\nslug = "{info.slug}"\nkey = "${{{name}}}"\n'
        found.append(Found(why, block, commented=again))
    return found


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
