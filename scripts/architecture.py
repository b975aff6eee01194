"""Prints docs/architecture.md from the first docstring line of every module; `--check` fails when the page is stale."""

import ast
import difflib
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "tollway"
PAGE = ROOT / "docs" / "architecture.md"

FLOORS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("The top", "Where everything is built once, and the world is read once.", ("",)),
    ("Entry points", "They speak HTTP, HTML and terminal, and decide nothing.", ("api", "web", "cli", "simulator")),
    ("Shell", "What happens, in order. It awaits things.", ("gateway", "identity", "payments")),
    (
        "Core",
        "It decides and never waits: no I/O, no clock, no dice of its own.",
        ("routing", "plugins", "limits", "providers", "billing", "catalog"),
    ),
    ("I/O", "It does and never decides.", ("upstream", "storage", "cluster", "telemetry")),
    ("Wire formats", "Bytes to domain values and back, in both roles of each format.", ("wire",)),
    ("Domain", "The nouns, as frozen Structs.", ("domain",)),
)

INTRODUCTION = """\
# The map

Printed by `make docs` from the first docstring line of each module; `make check` fails when it is stale.
Edit the docstrings, not this page.

Imports point down only, and import-linter checks it (the contracts stand in `.importlinter`):

```
entry points   api/  web/  cli/  simulator/          speak HTTP, HTML, terminal; decide nothing
     |                                               (app.py builds everything once; config.py reads the world once)
shell          gateway/  identity/  payments/        what happens, in order; awaits things
     |
core | I/O     routing/ providers/ billing/ catalog/          |  upstream/ storage/ telemetry/
     |         decides, never waits                           |  does, never decides
wire/          bytes <-> domain, both roles of each format
     |
domain/        nouns: frozen msgspec Structs
```

What the words mean is in the [glossary](glossary.md); why things are so, in [decisions](decisions/).
"""


def main(arguments: list[str]) -> int:
    """Write the page, or with `--check` compare it. -> exit status."""
    wanted = page()
    if "--check" not in arguments:
        PAGE.write_text(wanted, encoding="utf-8")
        print(f"wrote {PAGE.relative_to(ROOT)}: {wanted.count('| `')} modules")
        return 0
    found = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    if found == wanted:
        print(f"{PAGE.relative_to(ROOT)} says what the {wanted.count('| `')} modules say")
        return 0
    changes = difflib.unified_diff(
        found.splitlines(), wanted.splitlines(), "on the page", "in the modules", lineterm="", n=0
    )
    print("\n".join(changes))
    print(f"{PAGE.relative_to(ROOT)} is stale: run `make docs` and commit it with the change")
    return 1


def page() -> str:
    """The whole text of docs/architecture.md. ValueError: a folder of src/tollway stands on no floor."""
    placed = {room for _, _, rooms in FLOORS for room in rooms}
    if lost := sorted({room_of(path) for path in modules()} - placed):
        raise ValueError(f"give {', '.join(lost)} a floor in scripts/architecture.py and in .importlinter")
    parts = [INTRODUCTION]
    for title, line, rooms in FLOORS:
        tables = [table(room) for room in rooms if any(room_of(path) == room for path in modules())]
        parts.append(f"## {title}\n\n{line}\n\n" + "\n".join(tables))
    return "\n".join(parts)


def table(room: str) -> str:
    """One room as Markdown: its own line, then a row for each module."""
    rows = ["| Module | |", "|---|---|"]
    head = "" if not room else f"### {room}/\n\n"
    for path in modules():
        if room_of(path) != room:
            continue
        if room and path == PACKAGE / room / "__init__.py":
            head += f"{first_line(path)}\n\n"
            continue
        rows.append(f"| `{path.relative_to(PACKAGE).as_posix()}` | {first_line(path).replace('|', chr(92) + '|')} |")
    return head + ("\n".join(rows) + "\n" if len(rows) > 2 else "")


def modules() -> list[Path]:
    """Every module of the product, in the order of the map: a package's own `__init__` before what is in it."""
    found = [path for path in PACKAGE.rglob("*.py") if has_content(path)]
    return sorted(found, key=lambda path: (path.parent.as_posix(), path.name != "__init__.py", path.name))


def has_content(path: Path) -> bool:
    """An empty `__init__.py` only makes a package: it has no line on the map. The tidy test asks all others for one."""
    return path.name != "__init__.py" or path.stat().st_size > 0


def room_of(path: Path) -> str:
    """The folder below src/tollway that a module is in; "" for one that stands at the top."""
    return path.relative_to(PACKAGE).parts[0] if path.parent != PACKAGE else ""


def first_line(path: Path) -> str:
    """A module's line on the map."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    return (docstring or "(no docstring)").splitlines()[0]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
