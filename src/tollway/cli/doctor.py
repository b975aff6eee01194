"""`tollway doctor`: is everything in order, and for each thing that is not, what to do."""

from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tollway.cli.checkup import Check, State, examine
from tollway.cli.terminal import console, print_json
from tollway.config import load
from tollway.domain.money import nanodollars_to_text
from tollway.storage.audit import Finding, audit_ledger, count_rows
from tollway.storage.files import DATABASE_FILE
from tollway.storage.sqlite import SqliteReader

BROKEN_SHOWN = 10
MARKS = {State.OK: ("✓", "green"), State.WARN: ("!", "yellow"), State.FAIL: ("✗", "red")}


async def run(config_file: Path | None, *, ledger_only: bool, as_json: bool) -> int:
    """The exit code: 0 all is well or only worth a look, 1 something is broken."""
    if ledger_only:
        return await check_ledger(config_file, as_json=as_json)
    checks = await examine(config_file)
    ok = not any(check.state is State.FAIL for check in checks)
    if as_json:
        print_json({"ok": ok, "checks": checks})
    else:
        print_checks(console(), checks)
    return 0 if ok else 1


async def check_ledger(config_file: Path | None, *, as_json: bool) -> int:
    """Every invariant of the ledger, beside a running server or without one. StorageError: there is no database."""
    reader = SqliteReader(load(config_file).data_dir / DATABASE_FILE)
    try:
        findings = await audit_ledger(reader)
        counts = await count_rows(reader)
    finally:
        await reader.close()
    ok = not any(finding.broken for finding in findings)
    if as_json:
        print_json({"ok": ok, "checks": findings, "counts": counts})
        return 0 if ok else 1
    out = console()
    print_checks(out, [as_check(finding) for finding in findings])
    shown = {name: f"{number:,}" for name, number in counts.items()}
    shown["captured"] = f"${nanodollars_to_text(counts['captured'])}"
    out.print(", ".join(f"{name} {number}" for name, number in shown.items()))
    return 0 if ok else 1


def as_check(finding: Finding) -> Check:
    """An invariant as a line: which rows break it, the first of them named."""
    if not finding.broken:
        return Check(f"ledger: {finding.name}", State.OK, finding.promise)
    rows = "; ".join(finding.broken[:BROKEN_SHOWN])
    more = f"; and {len(finding.broken) - BROKEN_SHOWN:,} more" if len(finding.broken) > BROKEN_SHOWN else ""
    fix = "stop the server, keep a copy of the data directory, and report this: it is a bug, or the file was edited"
    return Check(f"ledger: {finding.name}", State.FAIL, f"broken: {finding.promise}. {rows}{more}", fix)


def print_checks(out: Console, checks: Iterable[Check]) -> None:
    """A line each, with its fix below where there is one; then the sum."""
    count = dict.fromkeys(State, 0)
    plain = out.encoding.lower().replace("-", "") != "utf8"
    for check in checks:
        count[check.state] += 1
        mark, colour = MARKS[check.state]
        if plain:
            mark = {"✓": "+", "✗": "x"}.get(mark, mark)
        out.print(Text.assemble((mark, colour), " ", (check.name, "bold"), f": {check.detail}"))
        if check.fix:
            out.print(Text.assemble("  ", ("->" if plain else "→", "dim"), f" {check.fix}"))
    out.print(f"{count[State.OK]} in order, {count[State.WARN]} to look at, {count[State.FAIL]} broken")
