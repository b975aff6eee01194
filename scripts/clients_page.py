"""Writes docs/clients.md: what each client was seen to do by its checks, and how it is set up, in its own lines.

The setups are checked without running anything (`--check`, in `make check`); the table by `make test-clients`.
"""

import ast
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CLIENTS = ROOT / "tests" / "clients"
PAGE = ROOT / "docs" / "clients.md"
COLUMNS = ("whole", "streamed", "tools", "tools streamed", "structured", "thinking")
FAMILIES = ("OpenAI", "Anthropic", "Google")
LANGUAGES = {".py": "python", ".mjs": "js", ".yaml": "yaml"}
COMMENTS = {".mjs": "// ", ".yaml": "# "}


def main(arguments: list[str]) -> int:
    """Write the setups, or with `--check` compare them. -> exit status."""
    return _settle("setups", setups(), write="--check" not in arguments, mend="make docs")


def update(rows: list[dict[str, Any]], *, write: bool) -> int:
    """Write the table of what passed, or compare it. -> exit status."""
    return _settle("clients", table(rows), write=write, mend='make test-clients ARGS="--write"')


def _settle(part: str, wanted: str, *, write: bool, mend: str) -> int:
    found = PAGE.read_text(encoding="utf-8")
    page = with_part(found, part, wanted)
    name = PAGE.relative_to(ROOT)
    if write:
        PAGE.write_text(page, encoding="utf-8")
        print(f"wrote the {part} of {name}")
    elif found != page:
        print(f"the {part} of {name} is stale: run `{mend}` and commit it with the change")
        return 1
    else:
        print(f"the {part} of {name} is as the clients have it")
    return 0


def with_part(text: str, part: str, body: str) -> str:
    """The page with another text between the marks of a part. ValueError: the page has lost them."""
    start, end = f"<!-- {part}:start -->", f"<!-- {part}:end -->"
    before, _, rest = text.partition(start)
    _, mark, after = rest.partition(end)
    if not mark:
        raise ValueError(f"{PAGE.name} needs the lines {start} and {end}")
    return f"{before}{start}\n{body}\n{end}{after}"


def table(rows: list[dict[str, Any]]) -> str:
    """A row for each client and format: with which families each feature passed."""
    heads = ("Client", "Version", "Speaks", *(name.capitalize() for name in COLUMNS), "Also")
    lines = [_line(heads), _line(("---",) * len(heads))]
    for row in sorted(rows, key=lambda row: (row["folder"].startswith("npm"), row["folder"], row["speaks"])):
        passed = row["passed"]
        seen = {name: _seen(passed[name]) for name in passed if name not in COLUMNS}
        also = ", ".join(name if who == "yes" else f"{name} ({who})" for name, who in seen.items())
        cells = (_seen(passed.get(name, ())) for name in COLUMNS)
        client = f"[{row['client']}](#{row['folder'].replace('.', '')})"
        lines.append(_line((client, row["version"], row["speaks"], *cells, also)))
    return "\n".join(lines)


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |")


def _seen(families: list[str] | tuple[str, ...]) -> str:
    """`yes` for all families, else their names."""
    return "yes" if set(FAMILIES) <= set(families) else ", ".join(families)


def setups() -> str:
    """A section for each client: what its setup file says of itself, and then its lines as they are."""
    sections = []
    for folder in sorted({path.parent for path in CLIENTS.glob("*/check*")}, key=lambda path: path.name):
        files = sorted(path for path in folder.glob("setup*") if path.suffix in LANGUAGES)
        if not files:
            raise ValueError(f"{folder.relative_to(ROOT)} has no setup file")
        sections.append("\n\n".join([f"### {folder.name}", *map(setup, files)]))
    return "\n\n".join(sections)


def setup(path: Path) -> str:
    """One setup file as Markdown: its docstring, or its first lines of comment, and the rest as a block of code."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        said = ast.get_docstring(ast.parse(text)) or ""
        code = text.partition('"""')[2].partition('"""')[2]
    else:
        lines, mark = text.splitlines(), COMMENTS[path.suffix]
        length = next(number for number, line in enumerate(lines) if not line.startswith(mark.strip()))
        said = "\n".join(line.removeprefix(mark) for line in lines[:length])
        code = "\n".join(lines[length:])
    return f"{said}\n\n```{LANGUAGES[path.suffix]}\n{code.strip()}\n```"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
