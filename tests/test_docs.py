"""The documentation says what the code says: keys, URLs, commands, rules, behaviours and numbers."""

import ast
import importlib.util
import inspect
import json
import re
import textwrap
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import msgspec
import pytest
import typer

from tests.support import shared
from tollway import app
from tollway.api.house import House
from tollway.api.routes import NOT_BUILT, hot_routes, routes
from tollway.api.server_limits import ServerLimits
from tollway.api.storefronts.openai import OPENAI
from tollway.api.storefronts.openrouter import OPENROUTER
from tollway.api.stream import FIRST_COMMENT_S, NEXT_COMMENT_S
from tollway.api.table import Auth
from tollway.billing.estimate import AFFORDABLE_TOKENS_MIN, UNASKED_TOKENS_MIN
from tollway.billing.pricing import cost
from tollway.billing.tokens import MEDIA_TOKENS
from tollway.catalog.diff import BOUNDS
from tollway.catalog.shipped import shipped
from tollway.cli.main import app as commands_app
from tollway.config import Config, ModelConfig, ProviderConfig, load
from tollway.domain.catalog import Price, Rates
from tollway.domain.chat import ChatRequest
from tollway.domain.errors import TollwayError
from tollway.domain.generation import Usage
from tollway.domain.health import Outcome
from tollway.domain.identity import LimitReset
from tollway.domain.money import nanodollars_to_text, price_from_text, price_to_text
from tollway.gateway.commit import RETRY_FOR_S
from tollway.gateway.execute import DRAIN_MAX_S
from tollway.gateway.supply import LIST_EVERY_S
from tollway.routing import breaker, caps, market, outliers, patience, plan
from tollway.routing.rules import RULES
from tollway.routing.rulings import RULINGS
from tollway.simulator.behaviour import INSTEAD, PRESETS, THEN, Behaviour
from tollway.storage.audit import _CHECKS as LEDGER_CHECKS
from tollway.telemetry.metrics import Metrics, prometheus_text

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
BUILT = (".venv", ".venv-clients", ".bench", ".hypothesis", ".pytest_cache", "node_modules")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@cache
def pages() -> tuple[Path, ...]:
    """Every Markdown file of the repository."""
    return tuple(sorted(path for path in ROOT.rglob("*.md") if not set(BUILT) & set(path.relative_to(ROOT).parts)))


@cache
def text_of(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


@cache
def rows(name: str) -> tuple[tuple[str, ...], ...]:
    """The cells of every table row of a page, without heads and rules."""
    found = []
    lines = FENCE.sub("", text_of(name)).splitlines()
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith("|") and not re.fullmatch(r"[|\s:-]+", line) and not re.fullmatch(r"\|[|\s:-]+", after):
            found.append(tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]))
    return tuple(found)


def code(cell: str) -> tuple[str, ...]:
    """What stands in backticks."""
    return tuple(re.findall(r"`([^`]+)`", cell))


def first_codes(name: str, pattern: str, cells: int = 0) -> dict[str, tuple[str, ...]]:
    """Rows by the code in their first cell, of those whose code matches; only rows of so many `cells`, if said."""
    found = [row for row in rows(name) if cells in (0, len(row))]
    return {each: row for row in found for each in code(row[0]) if re.fullmatch(pattern, each)}


def options() -> Iterator[tuple[str, Any]]:
    """Every key of config.py: its path, and its default (NODEFAULT: required)."""
    for section in msgspec.structs.fields(Config):
        if section.name not in ("environment", "providers"):
            for field in msgspec.structs.fields(section.type):
                yield f"{section.name}.{field.name}", _default(field)
    for place, struct in (("providers", ProviderConfig), ("providers.models", ModelConfig)):
        for field in msgspec.structs.fields(struct):
            yield f"{place}.{field.name}", _default(field)


def _default(field: msgspec.structs.FieldInfo) -> Any:
    made = field.default_factory is not msgspec.NODEFAULT
    return cast(Any, field.default_factory)() if made else field.default


def test_configuration_has_every_key_and_its_default() -> None:
    """docs/configuration.md names every key of config.py, with its default, and no key that there is not."""
    found = first_codes(
        "configuration.md",
        r"(server|storage|security|upstream|routing|limits|billing|byok|payments|platform|guest|users|records|leaks|mail|moderation|providers)"
        r"\.[a-z_.]+",
        cells=3,
    )
    assert found.keys() == {place for place, _ in options()}
    for place, default in options():
        shown = "required" if default is msgspec.NODEFAULT else "not set" if default is None else ""
        assert found[place][1] == (shown or f"`{json.dumps(default, default=msgspec.to_builtins)}`"), place


def test_configuration_files_load(tmp_path: Path) -> None:
    """Every fenced `toml` block of the documentation is a configuration that loads."""
    blocks = [(path, body) for path in pages() for kind, body in FENCE.findall(path.read_text()) if kind == "toml"]
    assert len(blocks) > 3
    for number, (path, body) in enumerate(blocks):
        environment = dict.fromkeys(re.findall(r"\$\{(\w+)\}", body), "x" * 40)
        file = tmp_path / f"{number}.toml"
        file.write_text(body, encoding="utf-8")
        assert load(file, environment) != Config(), path


def test_api_has_every_url() -> None:
    """docs/api.md has a row for each URL of api/routes.py, with whether it wants a key, and no other URL."""
    house = cast(House, None)
    wanted = {f"{route.method} {route.path.replace(':path', '')}": route.auth for route in routes(house)}
    wanted |= {f"{method} {path}": Auth.INFERENCE for method, path in hot_routes(house)}
    managed = {url.replace(" /api/v1", " /account/v1") for url, auth in wanted.items() if auth is Auth.PROVISIONING}
    wanted = {url: auth for url, auth in wanted.items() if url not in managed}  # one row says both, as the page says
    found = first_codes("api.md", r"(GET|POST|PUT|PATCH|DELETE) /.*")
    assert found.keys() == wanted.keys()
    words = {
        Auth.NONE: "no",
        Auth.PROVISIONING: "provisioning",
        Auth.BROWSER: "a page",
        Auth.SESSION: "session",
        Auth.ADMIN: "admin",
    }
    for url, auth in wanted.items():
        if auth is not Auth.CONTROL:
            assert found[url][1] == words.get(auth, "yes"), url
    for segment in NOT_BUILT:
        assert f"`{segment}`" in text_of("api.md"), segment


def test_api_has_every_parameter() -> None:
    """docs/api.md says of every field of a chat request what becomes of it, once."""
    table = text_of("api.md").partition("## Parameters")[2].partition("## Streams")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    found = [name for cell in cells for name in code(cell.partition(", a `best_of`")[0]) if name in _PARAMETERS]
    assert sorted(found) == sorted(_PARAMETERS)


_PARAMETERS = frozenset(ChatRequest.__struct_fields__) - {"extra"}


def errors(kind: type[TollwayError] = TollwayError) -> Iterator[type[TollwayError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from errors(below)


def test_api_has_every_error() -> None:
    """Each error of domain/errors.py has a row with the status, and the code, that its storefronts give it."""
    table = {(row[1].split()[0], row[2]) for row in rows("api.md") if len(row) == 3 and row[1][:3].isdigit()}
    for kind in errors():
        error = kind("x")
        status = str(OPENAI.status_of(error))
        shown = f"{status} `{OPENAI.error_body(error, 0)['error']['code']}`"
        ours = str(OPENROUTER.status_of(error))
        assert any(a == ours and b in (shown, status) for a, b in table), (kind.__name__, ours, shown)


def commands(command: Any, path: str) -> Iterator[tuple[str, set[str]]]:
    """Every command that does something: its words, and its options as they are typed."""
    if children := getattr(command, "commands", None):
        for name, child in children.items():
            yield from commands(child, f"{path} {name}")
    else:
        typed = {each for parameter in command.params for each in (*parameter.opts, *parameter.secondary_opts)}
        yield path, {each for each in typed if each.startswith("--")} - {"--help"}


def test_operations_has_every_command() -> None:
    """docs/operations.md has a row for each command with all of its options, and no other command."""
    found = {each: set(code(row[1])) for each, row in first_codes("operations.md", r"tollway( [a-z]+)+").items()}
    wanted = dict(commands(typer.main.get_command(commands_app), "tollway"))
    assert found.keys() == wanted.keys()
    for command, options_ in wanted.items():
        needless = {each for each in options_ if each.startswith("--no-") and f"--{each[5:]}" in options_}
        assert found[command] == options_ - needless, command


def test_commands_in_the_pages_exist() -> None:
    """Every `tollway ...` in a fenced block or in backticks is a command with options that it takes."""
    known = dict(commands(typer.main.get_command(commands_app), "tollway"))
    groups = {" ".join(words[:length]) for each in known for words in [each.split()] for length in range(1, len(words))}
    seen = 0
    for path in pages():
        text = path.read_text(encoding="utf-8")
        lines = [line for kind, body in FENCE.findall(text) if kind == "sh" for line in body.splitlines()]
        for said in [*lines, *re.findall(r"`([^`\n]+)`", FENCE.sub("", text))]:
            for match in re.finditer(r"(?:^|\s)tollway((?: [a-z]+)+)([^#|;]*)", said):
                words = ["tollway", *match[1].split()]
                name = next((n for size in (3, 2) if (n := " ".join(words[:size])) in known), "")
                assert name or " ".join(words) in groups, (path.name, said)
                assert set(re.findall(r"(?<!\S)--[a-z-]+", match[2])) <= known.get(name, set()), (path.name, said)
                seen += 1
    assert seen > 30


def test_routing_has_every_rule_and_its_words() -> None:
    """docs/routing.md has each rule that leaves an endpoint out, in order, with a reason that the code can give."""
    reasons: dict[str, Callable[..., Any]] = {rule.name: rule.check for rule in RULINGS}
    reasons |= {rule.name: rule.check for rule in RULES}
    offs = {"disabled", "unpriced", "not_live", "wire_format"}
    found: dict[str, str] = {}
    for row in rows("routing.md"):
        found.setdefault(row[0].strip("`"), row[1])
    names = [
        name for name in found if name in reasons | dict.fromkeys((*offs, plan.NOT_AFFORDABLE, plan.FALLBACKS_OFF))
    ]
    assert names[:4] == ["disabled", "unpriced", "not_live", "wire_format"]
    assert names[4:] == [*reasons, plan.NOT_AFFORDABLE, plan.FALLBACKS_OFF]
    texts = dict.fromkeys(offs, pieces(market._why_off)) | {name: pieces(check) for name, check in reasons.items()}
    texts |= dict.fromkeys((plan.NOT_AFFORDABLE, plan.FALLBACKS_OFF), pieces(plan._admit) | pieces(plan.make_plan))
    texts |= {"price_floor": pieces(caps.why_below), "price_cap": pieces(caps.why_over)}
    for name, said in texts.items():
        assert any(all(piece in found[name] for piece in reason) for reason in said), (name, said)


def pieces(function: Callable[..., Any]) -> set[tuple[str, ...]]:
    """The sentences in a function's source: each as the parts that stand between what is filled in."""
    found: set[tuple[str, ...]] = set()
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))):
        match node:
            case ast.JoinedStr(values=values):
                parts = tuple(str(each.value).strip() for each in values if isinstance(each, ast.Constant))
                found.add(tuple(part for part in parts if len(part) > 3))
            case ast.Constant(value=str(text)) if " " in text and not text.endswith("."):
                found.add((text.strip(),))
    return {each for each in found if sum(map(len, each)) > 8}


def test_simulator_has_every_key() -> None:
    """docs/simulator.md has each key of a behaviour with its default, each preset, and each word of `fail`, `then`."""
    fields = msgspec.structs.fields(Behaviour)
    table = text_of("simulator.md").partition("## Every key")[2]
    found = {match[1]: match[2] for match in re.finditer(r"^\| `(\w+)` \| (\S+) \|", table, re.MULTILINE)}
    assert found.keys() == {field.name for field in fields}
    for field in fields:
        value = {None: "none", "": "empty", (): "none"}.get(field.default)
        assert found[field.name] == (value or f"`{str(field.default).lower()}`"), field.name
    presets = {
        row[0].strip("`"): row[1] for row in rows("simulator.md") if row[0].strip("`") in PRESETS and len(row) == 2
    }
    assert {name: said.replace("\\|", "|") for name, said in presets.items()} == {
        name: f"`{behaviour}`" if behaviour else "none" for name, behaviour in PRESETS.items()
    }
    for key, words in (("fail", INSTEAD), ("then", THEN)):
        said = set(code(re.findall(rf"^\| `{key}` \|.*$", table, re.MULTILINE)[0]))
        assert words <= said, (key, words - said)


def test_metrics_are_listed() -> None:
    """docs/operations.md lists every metric that /metrics shows."""
    shown = set(re.findall(r"# TYPE (tollway_\w+) ", prometheus_text(Metrics()).decode()))
    gauges = re.findall(r'^        "(\w+)": \("', inspect.getsource(app._add_gauges), re.MULTILINE)
    assert len(gauges) > 3
    wanted = shown | {f"tollway_{name}" for name in gauges}
    assert set(first_codes("operations.md", r"tollway_\w+")) == wanted


def test_ledger_checks_are_listed() -> None:
    """docs/money.md says what each check of `doctor --ledger` promises."""
    found = {row[0].strip("`"): row[1] for row in rows("money.md") if len(row) == 2}
    for name, promise, _ in LEDGER_CHECKS:
        assert found[name] == promise


def test_outcomes_are_listed() -> None:
    """docs/routing.md has a row for each outcome of an attempt but success."""
    found = {each for row in rows("routing.md") if len(row) == 3 for each in code(row[1])}
    assert found == {outcome.value for outcome in Outcome if outcome is not Outcome.SUCCEEDED}


LIMITS = ServerLimits()
NUMBERS = (
    ("api.md", f"after {FIRST_COMMENT_S:g} s and then every {NEXT_COMMENT_S:g} s"),
    ("api.md", f"`: {OPENROUTER.processing}` on `/api/v1`, `: {OPENAI.processing}` on `/v1`"),
    ("configuration.md", f"every {LIST_EVERY_S:g} s"),
    ("money.md", ", ".join(f"{kind} {tokens:,}" for kind, tokens in MEDIA_TOKENS.items())),
    ("money.md", f"not below {UNASKED_TOKENS_MIN:,}"),
    ("money.md", f"not below {AFFORDABLE_TOKENS_MIN}"),
    ("money.md", f"at most {DRAIN_MAX_S:g} s"),
    ("money.md", f"retried for {RETRY_FOR_S:g} s"),
    *(("money.md", f"`{reset.value}`") for reset in LimitReset),
    ("operations.md", f"{LIMITS.header_bytes:,} bytes, within {LIMITS.header_s:g} s"),
    ("operations.md", f"within {LIMITS.body_s:g} s and one second more for each {LIMITS.body_bytes_per_s:,} bytes"),
    ("operations.md", f"| idle connection | {LIMITS.keep_alive_s:g} s |"),
    ("operations.md", f"| client that does not read its stream | {LIMITS.write_stall_s:g} s |"),
    ("operations.md", f"{LIMITS.connections_max:,}, of them {LIMITS.connections_per_ip:,}"),
    ("operations.md", f"| requests ahead on one connection | {LIMITS.pipelined_max} |"),
    ("providers.md", f"more than {BOUNDS.price_factor_max} times"),
    ("providers.md", f"${BOUNDS.price_per_million_usd_max:,} per million"),
    ("routing.md", f"After {breaker.FAILURES_TO_OPEN} failures in a row"),
    ("routing.md", f"or {breaker.FAILURES_TO_OPEN} within {breaker.BURST_S:g} s"),
    ("routing.md", f"unwell for {breaker.BACKOFF_MIN_S:g} s"),
    ("routing.md", f"After {breaker.REFUSALS_TO_SWITCH_OFF} answers of 404 or 403 in a row"),
    ("routing.md", f"unwell for {breaker.SWITCHED_OFF_S:g} s, then one request"),
    ("routing.md", f"{outliers.REQUESTS_MIN} requests, {100 * outliers.POINTS:g} points"),
    ("routing.md", f"up to {breaker.BACKOFF_MAX_S:g} s"),
    ("routing.md", f"at most {breaker.COOL_DOWN_MAX_S:g} s; without a hint {breaker.COOL_DOWN_S:g} s"),
    ("routing.md", f"`upstream.first_content_s` ({Config().upstream.first_content_s:g} s)"),
    ("routing.md", f"or for {FIRST_COMMENT_S:g} s, after which comments"),
    ("routing.md", f"after {patience.TIMES_P99:g} times its own p99, at least {patience.LEAST_S:g} s"),
    ("routing.md", f"prompts above {patience.LONG_PROMPT:,} tokens"),
    ("routing.md", f"`upstream.attempts_max` endpoints ({Config().upstream.attempts_max})"),
)


@pytest.mark.parametrize(("page", "words"), NUMBERS)
def test_numbers(page: str, words: str) -> None:
    """A number in the pages is the constant in the code."""
    assert words in " ".join(text_of(page).split("\n")), words


def test_the_bill_by_hand_is_right() -> None:
    """The example of docs/money.md: the shipped price times its tokens is the cost that it shows."""
    endpoint = next(each for each in shipped().endpoints if each.id == "openai:gpt-4o-mini")
    assert endpoint.price is not None
    rates = Rates(price_from_text(endpoint.price.rates.prompt), price_from_text(endpoint.price.rates.completion))
    bill = cost(Usage(prompt=4, completion=10), Price(0, rates))
    found = [row for row in rows("money.md") if row[0] in ("prompt", "answer", "**cost**")]
    assert found == [
        ("prompt", "4", price_to_text(rates.prompt), nanodollars_to_text(bill.prompt)),
        ("answer", "10", price_to_text(rates.completion), nanodollars_to_text(bill.completion)),
        ("**cost**", "", "", f"**{nanodollars_to_text(bill.total)}**"),
    ]


def anchors(path: Path) -> set[str]:
    """The headings of a page, as links name them."""
    lines = FENCE.sub("", path.read_text(encoding="utf-8")).splitlines()
    heads = [line.lstrip("#").strip().lower() for line in lines if line.startswith("#")]
    return {re.sub(r"[^\w -]", "", head).replace(" ", "-") for head in heads}


def test_links_resolve() -> None:
    """Every relative link of every Markdown file leads to a file that is there, and to a heading of it."""
    seen = 0
    for path in pages():
        for target in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", path.read_text(encoding="utf-8"))):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            place = (path.parent / name).resolve() if name else path
            assert place.exists(), (path.name, target)
            assert not anchor or anchor in anchors(place), (path.name, target)
            seen += 1
    assert seen > 30


def test_every_page_is_in_the_index() -> None:
    """docs/README.md links to each page of docs/."""
    linked = set(re.findall(r"\]\((\w+\.md)\)", text_of("README.md")))
    assert linked == {path.name for path in DOCS.glob("*.md")} - {"README.md"}


def test_decisions_have_their_parts() -> None:
    """Each record has a number of its own without gaps, a title, a status with a day, and the four parts in order."""
    records = sorted((DOCS / "decisions").glob("[0-9]*.md"))
    assert [int(path.name[:4]) for path in records] == list(range(1, len(records) + 1))
    for path in records:
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f"# {path.name[:4]}. "), path.name
        assert re.search(r"^Status: (proposed|accepted|replaced by \d{4})\. Date: \d{4}-\d\d-\d\d\.$", text, re.M), (
            path.name
        )
        heads = re.findall(r"^## (.*)$", text, re.MULTILINE)
        assert heads == ["Context", "Choice", "Consequences", "What would change it"], path.name


def test_the_readme_begins_with_the_commands() -> None:
    """Below the README's title stands the block with the two commands; it is short and keeps the bench's marks."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    first, *lines = [line for line in text.splitlines() if line]
    assert first.startswith("# ")
    assert lines[0].startswith("```")
    assert [line.split("#")[0].strip() for line in lines[1:3]] == ["make run", "make test"]
    head, _, rest = text.partition("<!-- bench:start -->")
    table, _, tail = rest.partition("<!-- bench:end -->")
    assert table
    assert len((head + tail).splitlines()) <= 100


@cache
def providers_table() -> ModuleType:
    """scripts/providers_table.py as a module."""
    spec = importlib.util.spec_from_file_location("providers_table", ROOT / "scripts" / "providers_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_of_providers_is_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    """docs/providers.md has the table that the shipped catalog gives."""
    assert providers_table().main(["--check"]) == 0, capsys.readouterr().out


def test_recorded_providers_are_recorded() -> None:
    """The checked-in list is the providers of whose answers there are recordings: those that tests/wire replays."""
    slugs = {"vertex": "google-vertex", "bedrock": "amazon-bedrock"}
    answers = {"chat_completions", "responses", "messages", "generate_content", "converse", "cohere_chat"}
    found = {
        slugs.get(record["provider"], record["provider"])
        for path in shared("cassettes").glob("*.jsonl")
        for line in path.read_text(encoding="utf-8").splitlines()
        if (record := json.loads(line))["api"] in answers
    }
    assert found == set(providers_table().RECORDED)
