"""The house rules that a machine can check, read from the source: sizes, names, reasons, and what stands where."""

import ast
import io
import re
import tokenize
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "tollway"
CORE = ("routing", "plugins", "limits", "providers", "billing", "catalog", "wire", "domain")

LINES_MAX, FUNCTION_LINES_MAX, DOCSTRING_MAX = 500, 70, 120

EXCEPTIONS: dict[str, str] = {
    # "path" or "path::function": why it may be longer. An entry that is no longer needed fails the test.
}

VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "shared", "tools", "stuff"}
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX|HACK)\b")
FILLER = re.compile(r"(?i)\b(?:lor" r"em\s+ip" r"sum|dolor sit amet|placeholder text)\b")
STUB = "NotImplementedError"
SUPPRESSION = re.compile(r"#\s*(?:noqa\b(?::\s*[A-Z]+\d+(?:,\s*[A-Z]+\d+)*)?|type:\s*ignore(?:\[[^\]]*\])?|nosec\b)")
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:wo" r"rk|tm" r"p|ho" r"me/\w+|Us" r"ers/\w+)/")
INLINE = re.compile(
    r"""<style\b | \sstyle\s*= | \son[a-z]+\s*=\s*["'{] | javascript:
    | <script\b(?![^>]*(?:\ssrc\s*=|application/json))""",
    re.IGNORECASE | re.VERBOSE,
)
CLOCKS = {
    ("time", "time"), ("time", "time_ns"), ("time", "monotonic"), ("time", "monotonic_ns"), ("time", "perf_counter"),
    ("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"),
}  # fmt: skip


@cache
def python_files(*folders: str) -> tuple[Path, ...]:
    """Every Python file of the project below these folders, in order."""
    return tuple(
        sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py") if "__pycache__" not in path.parts)
    )


@cache
def tree(path: Path) -> ast.Module:
    """A file, parsed."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@cache
def comments(path: Path) -> dict[int, str]:
    """Line number -> the comment on that line, as Python's own tokenizer sees it (not inside strings)."""
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline)
    return {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}


def short(path: Path) -> str:
    """A path as people write it."""
    return path.relative_to(ROOT).as_posix()


def has_reason(comment: str) -> bool:
    """Whether words remain of a comment when the machine's own marks are taken out."""
    return len(re.findall(r"[A-Za-z]", SUPPRESSION.sub(" ", comment))) >= 8


def none_of(found: Iterator[str] | list[str], rule: str) -> None:
    """Fail with every offender and with the rule in a sentence."""
    offenders = list(found)
    assert not offenders, f"{rule}\n  " + "\n  ".join(offenders)


def module_name(path: Path) -> str:
    """src/tollway/a/b.py -> tollway.a.b"""
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def oversized() -> Iterator[tuple[str, int, int]]:
    """What is longer than the house allows: (place, lines, allowed)."""
    for path in python_files("src", "tests", "scripts", "bench"):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > LINES_MAX:
            yield short(path), lines, LINES_MAX
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > FUNCTION_LINES_MAX:
                    yield f"{short(path)}::{node.name}", length, FUNCTION_LINES_MAX


def test_sizes(tell: Callable[[str], None]) -> None:
    """Files have at most 500 lines and functions 70, save for exceptions with a reason; none of these is stale."""
    found = {place: f"{place}: {lines} lines, at most {allowed}" for place, lines, allowed in oversized()}
    none_of([text for place, text in found.items() if place not in EXCEPTIONS], "two thoughts become two files:")
    none_of([place for place in EXCEPTIONS if place not in found], "these exceptions are not needed any more:")
    none_of(
        [place for place, reason in EXCEPTIONS.items() if len(reason.split()) < 4], "these exceptions lack a reason:"
    )
    silenced = sum(bool(SUPPRESSION.search(text)) for path in python_files("src") for text in comments(path).values())
    ignored = (ROOT / ".importlinter").read_text(encoding="utf-8").count(" -> ")
    counts = f"{len(EXCEPTIONS)} sizes, {silenced} silenced checks, {ignored} ignored imports"
    tell(f"tidy: exceptions, each with its reason: {counts}")


def test_every_module_has_its_line_on_the_map() -> None:
    """A module starts with one line of at most 120 characters and a full stop; more may follow after a blank line."""

    def wrong() -> Iterator[str]:
        for path in python_files("src"):
            docstring = ast.get_docstring(tree(path))
            if docstring is None:
                if path.name != "__init__.py" or path.stat().st_size:
                    yield f"{short(path)}: no docstring"
                continue
            first, *rest = docstring.splitlines()
            if len(first) > DOCSTRING_MAX or not first.endswith("."):
                yield f"{short(path)}: {len(first)} characters, {first!r}"
            elif rest and rest[0]:
                yield f"{short(path)}: its first line runs on into a second"

    none_of(wrong(), "a module's first line is its line on docs/architecture.md:")


def test_packages_are_packages() -> None:
    """Every folder of src that holds modules has an `__init__.py`, or import-linter would not see into it."""
    folders = {path.parent for path in python_files("src")}
    none_of(
        [short(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()], "no __init__.py in:"
    )


def test_names_say_something() -> None:
    """No module or folder is called utils, helpers, common or misc."""
    paths = python_files("src", "tests", "scripts", "bench")
    none_of(
        [short(path) for path in paths if VAGUE & {path.stem, path.parent.name}], "name the thought, not the drawer:"
    )


def test_no_dead_modules() -> None:
    """Each module of the product is imported by another one, or is a command's entry point."""
    commands: dict[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    used = {"tollway.__main__", *(target.partition(":")[0] for target in commands.values())}
    for path in python_files("src"):
        used |= imported_by(path)
    alive = [path for path in python_files("src") if path.name != "__init__.py"]
    none_of([short(path) for path in alive if module_name(path) not in used], "nothing imports:")


def imported_by(path: Path) -> set[str]:
    """The names of all modules that a file may import: statements, and whole module names in strings."""
    package = module_name(path) if path.name == "__init__.py" else module_name(path).rpartition(".")[0]
    names: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.rsplit(".", node.level - 1)[0] if node.level > 1 else package
            base = ".".join(filter(None, (above if node.level else "", node.module)))
            names |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("tollway."):
            names.add(node.value.partition(":")[0])
    return names - {module_name(path)}


def attributes(path: Path) -> Iterator[tuple[ast.Attribute, str, str]]:
    """Every `name.attribute` of a file, with the last name before the dot: `datetime.datetime.now` -> datetime, now."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Attribute):
            match node.value:
                case ast.Name(id=owner) | ast.Attribute(attr=owner):
                    yield node, owner, node.attr


def test_only_config_reads_the_environment() -> None:
    """`os.environ` and `os.getenv` stand in config.py and nowhere else in the product."""

    def wrong() -> Iterator[str]:
        for path in python_files("src"):
            if path == PACKAGE / "config.py":
                continue
            for node, owner, name in attributes(path):
                if owner == "os" and name in {"environ", "environb", "getenv", "putenv"}:
                    yield f"{short(path)}:{node.lineno}: os.{name}"
            for statement in ast.walk(tree(path)):
                if isinstance(statement, ast.ImportFrom) and statement.module == "os":
                    yield from (
                        f"{short(path)}:{statement.lineno}: from os import {alias.name}"
                        for alias in statement.names
                        if alias.name in {"environ", "environb", "getenv", "putenv"}
                    )

    none_of(wrong(), "the environment is read once, in config.py:")


def test_the_core_reads_no_clock() -> None:
    """Time arrives as an argument in the core, in wire/ and in domain/; nor is anything fetched there."""

    def wrong() -> Iterator[str]:
        for path in python_files(*(f"src/tollway/{room}" for room in CORE)):
            for node, owner, name in attributes(path):
                if (owner, name) in CLOCKS or (owner, name) == ("urllib", "request"):
                    yield f"{short(path)}:{node.lineno}: {owner}.{name}"
            if imported_by(path) & {"urllib.request", "http.client", "time.time", "time.monotonic"}:
                yield f"{short(path)}: imports a clock or a client"

    none_of(wrong(), "the core decides and never waits; give it the time and the bytes:")


def test_only_the_command_line_prints() -> None:
    """No `print(` in the product outside cli/: everything else logs, returns or raises."""

    def wrong() -> Iterator[str]:
        for path in python_files("src"):
            if path.is_relative_to(PACKAGE / "cli"):
                continue
            for node in ast.walk(tree(path)):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Name)
                    and node.func.id in {"print", "breakpoint"}
                ):
                    yield f"{short(path)}:{node.lineno}"

    none_of(wrong(), "print() outside cli/:")


def test_blind_excepts_say_why() -> None:
    """`except Exception`, `except BaseException` and a bare `except` carry their reason on the line."""

    def wrong() -> Iterator[str]:
        for path in python_files("src", "scripts", "bench"):
            for node in ast.walk(tree(path)):
                if not isinstance(node, ast.ExceptHandler) or not is_blind(node.type):
                    continue
                if not has_reason(comments(path).get(node.lineno, "")):
                    yield f"{short(path)}:{node.lineno}"

    none_of(wrong(), "say on the line why everything is caught:")


def is_blind(caught: ast.expr | None) -> bool:
    """Whether an except clause takes everything."""
    match caught:
        case None:
            return True
        case ast.Name(id=name):
            return name in {"Exception", "BaseException"}
        case ast.Tuple(elts=several):
            return any(is_blind(one) for one in several)
    return False


def test_silenced_checks_say_why() -> None:
    """Every `noqa`, `type: ignore` and `nosec` names what it silences, and its reason, on the line."""

    def wrong() -> Iterator[str]:
        for path in python_files("src", "tests", "scripts", "bench"):
            for line, comment in comments(path).items():
                if SUPPRESSION.search(comment) and not has_reason(comment):
                    yield f"{short(path)}:{line}: {comment}"

    none_of(wrong(), "add the reason after the code, in words:")


def test_nothing_is_left_unfinished() -> None:
    """No to-do marks and no stubs; no test is skipped without a reason, and none is expected to fail."""

    def wrong() -> Iterator[str]:
        for path in python_files("src", "tests", "scripts", "bench"):
            yield from (f"{short(path)}:{n}: {text}" for n, text in comments(path).items() if UNFINISHED.search(text))
            for node in ast.walk(tree(path)):
                match node:
                    case ast.Raise(exc=ast.Name(id=name) | ast.Call(func=ast.Name(id=name))) if name == STUB:
                        yield f"{short(path)}:{node.lineno}: {name}"
                    case ast.Attribute(attr="xfail"):
                        yield f"{short(path)}:{node.lineno}: {node.attr}"
                    case ast.Call(func=ast.Attribute(attr="skip" | "skipif" | "importorskip" as mark)) if (
                        not skip_has_reason(node)
                    ):
                        yield f"{short(path)}:{node.lineno}: {mark} without a reason"
                for mark in getattr(node, "decorator_list", ()):
                    if isinstance(mark, ast.Attribute) and mark.attr == "skip":
                        yield f"{short(path)}:{mark.lineno}: skip without a reason"

    none_of(wrong(), "finish it, or say why not:")


def test_nothing_of_the_site_is_left_unfinished() -> None:
    """No to-do marks in what is neither Python nor somebody else's, and no filler where words of our own belong."""

    def wrong() -> Iterator[str]:
        for path in site_files():
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                if UNFINISHED.search(line) or FILLER.search(line):
                    yield f"{short(path)}:{number}: {line.strip()[:100]}"

    none_of(wrong(), "finish it, or say why not:")


def site_files() -> list[Path]:
    """Scripts, styles, templates and SQL of ours; `static/vendor/` is others'."""
    found = [path for kind in ("js", "css", "html", "sql", "svg", "toml") for path in PACKAGE.rglob(f"*.{kind}")]
    return sorted(path for path in found if "vendor" not in path.relative_to(PACKAGE).parts[:-1])


def skip_has_reason(call: ast.Call) -> bool:
    """Whether a call to pytest's skip or skipif says why."""
    first_is_reason = call.args and isinstance(call.func, ast.Attribute) and call.func.attr == "skip"
    return bool(first_is_reason) or any(keyword.arg == "reason" for keyword in call.keywords)


def test_pages_hold_no_code() -> None:
    """Templates have no inline script, style or handler: the Content-Security-Policy forbids them all."""

    def wrong() -> Iterator[str]:
        for path in sorted((PACKAGE / "web" / "templates").rglob("*.html")):
            text = path.read_text(encoding="utf-8")
            for match in INLINE.finditer(text):
                yield f"{short(path)}:{text.count(chr(10), 0, match.start()) + 1}: {match.group().strip()}"

    none_of(wrong(), "move it into static/:")


def test_no_path_of_a_developers_machine() -> None:
    """What is shipped names no folder of the machine that it was written on."""

    def wrong() -> Iterator[str]:
        texts = [p for ext in ("py", "sql", "html", "js", "css", "toml") for p in (ROOT / "src").rglob(f"*.{ext}")]
        texts += [*(ROOT / "docs").rglob("*.md"), *(ROOT / "scripts").glob("*"), *ROOT.glob("*.md"), ROOT / "Makefile"]
        for path in sorted(path for path in texts if path.is_file()):
            for n, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                if MACHINE_PATH.search(line):
                    yield f"{short(path)}:{n}: {line.strip()[:100]}"

    none_of(wrong(), "a path of one machine:")


def test_locks_name_no_index() -> None:
    """Every requirement in a lock has its hash, and no lock says where to download from: a mirror serves as well."""

    def wrong() -> Iterator[str]:
        for path in sorted([*ROOT.glob("requirements*.lock"), *ROOT.glob("tests/clients/*/requirements.txt")]):
            text = path.read_text(encoding="utf-8")
            if "://" in text or re.search(r"^\s*--(?!hash=)", text, re.MULTILINE):
                yield f"{short(path)}: an address or an option"
            for requirement in re.findall(r"^[A-Za-z0-9][^\n]*\n(?!    --hash=sha256:)", text, re.MULTILINE):
                yield f"{short(path)}: {requirement.strip()} has no hash"

    none_of(wrong(), "make the locks with `make lock`:")


def test_the_locks_belong_to_pyproject() -> None:
    """Every dependency that pyproject.toml names is in the lock, and both locks hold the same versions."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    run, dev = (locked(ROOT / name) for name in ("requirements.lock", "requirements-dev.lock"))
    names = [re.split(r"[<>=!~;\[ ]", line, maxsplit=1)[0] for line in project["project"]["dependencies"]]
    dev_names = [re.split(r"[<>=!~;\[ ]", line, maxsplit=1)[0] for line in project["dependency-groups"]["dev"]]
    none_of([name for name in names if name not in run], "not in requirements.lock; run `make lock`:")
    none_of([name for name in dev_names if name not in dev], "not in requirements-dev.lock; run `make lock`:")
    none_of(
        [f"{n}: {v}, {dev.get(n)}" for n, v in run.items() if dev.get(n) != v], "the locks differ; run `make lock`:"
    )


def locked(path: Path) -> dict[str, str]:
    """A lock file -> name: version."""
    return dict(re.findall(r"^([a-z0-9.-]+)==([^ ]+)", path.read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize(
    ("comment", "enough"),
    [
        ("# noqa: BLE001", False),
        ("# noqa: S608, BLE001 - ok", False),
        ("# type: ignore[arg-type]", False),
        ("# type: ignore[arg-type]  # its stubs forget bytes", True),
        ("# noqa: BLE001 - a job must never end the server", True),
    ],
)
def test_what_counts_as_a_reason(comment: str, enough: bool) -> None:
    """The machine's own mark is no reason; words after it are."""
    assert has_reason(comment) is enough


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("/* TODO: colours */", True),
        ("<!-- FIXME -->", True),
        ("{# XXX #}", True),
        ("<p>Lorem ipsum dolor sit amet</p>", True),
        ('error: { status: 500, todo: "Try again" }', False),
        ("::placeholder { color: red; }", False),
    ],
)
def test_what_counts_as_unfinished(line: str, found: bool) -> None:
    """Marks and filler are found, in whatever kind of comment; a word that holds their letters is none."""
    assert bool(UNFINISHED.search(line) or FILLER.search(line)) is found


def test_the_site_is_read() -> None:
    """What is scanned for marks are the pages, scripts and styles of the site, and nothing of others."""
    names = {path.relative_to(PACKAGE).as_posix() for path in site_files()}
    assert {"web/templates/base.html", "web/static/app.css", "web/static/chat/room.js"} <= names
    assert not [name for name in names if "vendor/" in name]


@pytest.mark.parametrize(
    ("html", "found"),
    [
        ("<script>alert(1)</script>", True),
        ('<script type="module">x()</script>', True),
        ('<a onclick="x()">', True),
        ('<p style="color: red">', True),
        ("<style>p {}</style>", True),
        ('<a href="javascript:x()">', True),
        ('<script src="/static/app.js" defer></script>', False),
        ('<script type="application/json">{}</script>', False),
        ('<p class="style" data-on="x">one = two</p>', False),
    ],
)
def test_what_counts_as_inline(html: str, found: bool) -> None:
    """Code that a Content-Security-Policy would stop is found, and a file or a block of data is not."""
    assert bool(INLINE.search(html)) is found
