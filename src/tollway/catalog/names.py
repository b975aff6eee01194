"""What a provider calls a model, read apart: author, words, date, variant, quantization."""

import re

from msgspec import Struct

_WRAPPERS = frozenset(
    {"accounts", "fireworks", "models", "routers", "@cf", "workers-ai", "public", "route", "main", "tee"}
)
"""Path segments that name a shelf of the provider, never an author (Fireworks, Cloudflare, Clarifai, routing.run)."""

_REGION = re.compile(r"^(?:us|eu|au|jp|ca|apac|global|us-gov|regional)\.(?=[a-z0-9]+\.)")
_VENDOR = re.compile(
    r"^(anthropic|amazon|meta|mistral|deepseek|qwen|zai|openai|google|nvidia|minimax|moonshot|moonshotai|writer|cohere"
    r"|ai21)\.(?=[a-z])"
)
_BEDROCK_VERSION = re.compile(r"(?:-v\d+)?:\d+(?::\d+k)?$|(?<=[a-z0-9])-v1$")
_OSS_VERSION = re.compile(r"-1:0$")
_TAG_SIZE = re.compile(r":(e?\d+(?:\.\d+)?[bmt](?:-[a-z0-9_.-]+)?)$")
_QUANTIZATION = re.compile(
    r"[-_](fp8-dynamic|fp8|fp4|nvfp4|mxfp4|int4|int8|bf16|fp16|awq|gguf|mlx|4bit|6bit|8bit|q\d_k_[ms]|q\d_\d|q\d)$"
)
_HARMLESS = re.compile(r"-(?:maas|tee|tput)$")
_DECIMAL_P = re.compile(r"(?<=\d)p(?=\d)")
_FULL_DATE = re.compile(r"(?<![0-9])(20[12]\d)-?([01]\d)-?([0-3]\d)(?![0-9])")
_WORD_NUMBER = re.compile(r"^([a-z]{3,})(\d.*)$")
_SEPARATORS = re.compile(r"[-_.\s@:,()]+")
_PRECISION = {"fp8-dynamic": "fp8", "4bit": "int4", "6bit": "int6", "8bit": "int8", "mxfp4": "fp4", "nvfp4": "fp4"}
_PACKAGES = frozenset({"awq", "gguf", "mlx"})

_REPEATED = frozenset(
    (
        *("anthropic", "openai", "meta", "cohere", "google", "nvidia", "mistralai", "alibaba", "databricks", "amazon"),
        *("aws", "xai", "zai", "moonshotai", "microsoft", "azure", "c4ai"),
    )
)
"""Words that some providers glue in front of a name: `databricks-claude-...`, `Meta-Llama-...`."""

_CLAUDE_FAMILIES = frozenset({"opus", "sonnet", "haiku", "instant", "fable", "mythos"})


class Name(Struct, frozen=True):
    """A model's name read apart. `key` is what two spellings of one model have in common."""

    author: str
    """As written in front of the name, in lower case; "" where the provider writes none."""
    slug: str
    """The name without author, region, quantization and variant; dots kept, for showing."""
    words: tuple[str, ...]
    """Words and numbers in one fixed spelling, without a full date."""
    date: str = ""
    """A full date in the name, `YYYYMMDD`, or "". Short ones (`2507`, `0528`) are versions and stay in `words`."""
    variant: str = ""
    """What follows a colon: `free`, `thinking` ..."""
    quantization: str | None = None

    @property
    def key(self) -> tuple[tuple[str, ...], str, str]:
        """Two names with the same key are spellings of the same model."""
        return self.words, self.date, self.variant


def read_name(text: str) -> Name:
    """A provider's name for a model -> its parts. Any text will do; what is not understood stays in `words`."""
    rest = " ".join(text.lower().split()).removeprefix("hf:").removeprefix("~")
    rest, variant = _split_variant(rest)
    author, rest = _split_author(rest)
    rest = rest.replace("@default", "").replace("@", "-")
    rest, quantization = _split_quantization(rest)
    rest = _DECIMAL_P.sub(".", rest)
    date = ""
    if found := _FULL_DATE.search(rest):
        date = "".join(found.groups())
        rest = (rest[: found.start()].rstrip("-_.") + rest[found.end() :]).strip("-_.")
    if rest.endswith("-free"):
        rest, variant = rest.removesuffix("-free"), variant or "free"
    if rest.startswith("claude"):
        rest = rest.removesuffix("-latest")
    words = _words(rest)
    slug = re.sub(r"[^\w.]+|_+", "-", rest).strip("-.")
    if words[:1] == ("claude",):
        slug = re.sub(r"(?<=-\d)-(?=\d(?!\d))", ".", slug)  # claude-opus-4-1 is written 4.1 by everyone else.
    return Name(author, slug, words, date, variant, quantization)


def loose(words: tuple[str, ...]) -> tuple[str, ...]:
    """Words without those that say "tuned to follow instructions", which many providers leave out.

    The caller checks that nobody sells the two apart; `gpt-3.5-turbo-instruct` is another model than `gpt-3.5-turbo`.
    """
    if words[:1] == ("gpt",):
        return words
    return tuple(word for word in words if word not in ("instruct", "it"))


def _split_variant(rest: str) -> tuple[str, str]:
    rest = _OSS_VERSION.sub("", rest)
    rest = _BEDROCK_VERSION.sub("", rest)
    rest = re.sub(r":(?:latest|cloud)$", "", rest)
    rest = _TAG_SIZE.sub(r"-\1", rest)  # Ollama writes the size as a tag: llama3.3:70b.
    name, _, variant = rest.partition(":")
    return name, variant


def _split_author(rest: str) -> tuple[str, str]:
    path = [part for part in rest.split("/") if part not in _WRAPPERS]
    name = path[-1] if path else rest
    author = path[-2] if len(path) > 1 else ""
    name = _REGION.sub("", name)
    if found := _VENDOR.match(name):
        author, name = found.group(1), name[found.end() :]
    elif "--" in name:  # SAP AI Core: anthropic--claude-4-sonnet.
        author, _, name = name.partition("--")
    return author.strip(), name


def _split_quantization(rest: str) -> tuple[str, str | None]:
    quantization = None
    while True:
        rest = _HARMLESS.sub("", rest)
        found = _QUANTIZATION.search(rest)
        if found is None:
            return rest, quantization
        if found.group(1) not in _PACKAGES:
            quantization = quantization or _PRECISION.get(found.group(1), found.group(1))
        rest = rest[: found.start()]


def _words(rest: str) -> tuple[str, ...]:
    words: list[str] = []
    for part in _SEPARATORS.split(rest):
        found = _WORD_NUMBER.match(part)
        if found:
            words += found.groups()
        elif part:
            words.append(part)
    while len(words) > 1 and (words[0] in _REPEATED or words[0] == words[1]):
        del words[0]
    if words[:1] == ["claude"]:
        # Up to 3.7 the number comes first (claude-3.5-sonnet), from 4 on last (claude-sonnet-4.5); resellers mix them.
        families = [word for word in words if word in _CLAUDE_FAMILIES]
        words = ["claude", *families, *[word for word in words[1:] if word not in families]]
    if words[:1] == ["llama"]:
        # Fireworks writes llama-v3p3; Llama 4's expert sizes are said by its name already.
        words = [word[1:] if re.fullmatch(r"v\d", word) else word for word in words]
        if words[1:2] == ["4"]:
            words = [word for word in words if word not in ("17b", "16e", "128e")]
    return tuple(words)
