"""What may be nowhere in the clear (S-T6): secrets and prompts of the whole suite, looked for in all that it leaves.

Each process of the suite notes the secrets that its tests issue or send, and keeps its servers' log, at debug level.
When a test's server has stopped, its data directory is searched before it is deleted; at the end the log, and every
database and log in the tests' own folders. What is found fails the run, and names the test. Whatever looks like one of
our keys, with its checksum, is a find as well, noted or not. In the log of a server in the tests' own process a key
would be masked: it is searched as it is before that.
"""

import os
import re
import sys
import tempfile
from base64 import b64encode
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import pytest
import structlog

from tollway.identity.keys import PREFIXES, well_formed
from tollway.telemetry.logs import processors, redact

TOKEN = re.compile(rb"[0-9A-Za-z_+/=-]{20,}")
"""What a secret, or what encodes one, may be a part of."""
TOKEN_CHARS_MIN, WORDS_CHARS_MIN = 20, 8
"""What is shorter may stand somewhere by chance."""
END_CHARS = 12
KEY = re.compile("|".join(re.escape(prefix) for prefix in PREFIXES).encode().join((rb"(?:", rb")[0-9A-Za-z]{49}")))
CREDENTIALS = (
    re.compile(rb"(?im)^(?:authorization: bearer|x-api-key:|x-goog-api-key:) *([^\r\n]+)"),
    re.compile(rb"(?im)^cookie: *[\w-]+=([^;\r\n]+)"),
    re.compile(rb"(?im)^set-cookie: *(?:__Host-)?tollway=([^;\r\n]+)"),
)
PASSWORDS = (
    re.compile(rb'"password": *"((?:[^"\\]|\\.)+)"'),
    re.compile(rb"(?:^|[&\n])password=([^&\r\n]+)"),
)
PLAIN = re.compile(r"[\w -]+")
SQLITE = b"SQLite format 3\0"
PAGE_BYTES = 4096


def forms(secret: str) -> Iterator[bytes]:
    """A secret as one may meet it: as it is, in hexadecimal, and in base64 wherever it begins in what was encoded."""
    plain = secret.encode()
    yield plain
    yield plain.hex().encode()
    for before in range(3):
        coded = b64encode(b"\0" * before + plain)
        yield coded[(before * 8 + 5) // 6 : -4]


class Canaries:
    """What one process of the suite has noted, and where it was found."""

    def __init__(self) -> None:
        self.found: list[str] = []
        """One sentence each."""
        self.bytes = 0
        """Searched so far, without what was there before any test."""
        self.places = 0
        self._ends: dict[bytes, list[bytes]] = {}
        """The last characters of each form of a secret that is one word -> those forms."""
        self._words: set[str] = set()
        """Noted texts with spaces: passwords and prompts."""
        self._noted: set[str] = set()
        self._old: set[int] = set()
        """Pages that every database begins with."""

    @property
    def count(self) -> int:
        """How many secrets and prompts were noted."""
        return len(self._noted)

    def note(self, secret: str) -> str:
        """Looked for from now on, and returned. Short ones are not."""
        if secret in self._noted or len(secret) < WORDS_CHARS_MIN:
            return secret
        self._noted.add(secret)
        if " " in secret:
            self._words.add(secret)
        elif len(secret) >= TOKEN_CHARS_MIN:
            for form in forms(secret):
                self._ends.setdefault(form[-END_CHARS:], []).append(form)
        return secret

    def note_in(self, data: bytes) -> None:
        """The credentials and passwords in a request's or an answer's bytes; keys in it are known by their looks.

        A credential with a space in it, or a password with other signs than words have, is a hostile text of a test,
        and may be a model's name or whatever else in the next.
        """
        for secret in _found(CREDENTIALS, data):
            if " " not in secret:
                self.note(secret)
        for secret in _found(PASSWORDS, data):
            for password in (secret, unquote_plus(secret)):
                if PLAIN.fullmatch(password):
                    self.note(password)

    def know(self, folder: Path) -> None:
        """Databases that no test has written to: their pages are not searched again and again."""
        for path in databases(folder):
            self._old.update(hash(page) for page in pages(path.read_bytes()))

    def search(self, data: bytes, place: str) -> list[str]:
        """Looks through it, and returns (and keeps) what is there, one sentence each."""
        self.bytes += len(data)
        self.places += 1
        found = [
            f"{secret!r} in {place}, {around(data, form)}"
            for secret in sorted(self._words)
            for form in forms(secret)
            if form in data
        ]
        for run in set(TOKEN.findall(data)):
            found += [f"{form.decode()!r} in {place}, {around(data, form)}" for form in self._forms_in(run)]
        self.found += found
        return found

    def _forms_in(self, run: bytes) -> Iterator[bytes]:
        for start in range(len(run) - END_CHARS + 1):
            for form in self._ends.get(run[start : start + END_CHARS], ()):
                if form in run:
                    yield form
        for key in KEY.findall(run):
            if well_formed(key.decode()) and key.decode() not in self._noted:
                yield key

    def search_folder(self, folder: Path, told: str) -> None:
        """Every database and log below a folder."""
        for path in databases(folder):
            changed = [page for page in pages(path.read_bytes()) if hash(page) not in self._old]
            self.search(b"".join(changed), f"{told}: {path.name}")
        for path in folder.rglob("*.log"):
            self.search(path.read_bytes(), f"{told}: {path.name}")


def _found(patterns: Iterable[re.Pattern[bytes]], data: bytes) -> Iterator[str]:
    return (each.decode("utf-8", "replace") for pattern in patterns for each in pattern.findall(data))


def pages(data: bytes) -> Iterator[bytes]:
    """A database file's, or any file's."""
    return (data[start : start + PAGE_BYTES] for start in range(0, len(data), PAGE_BYTES))


def databases(folder: Path) -> Iterator[Path]:
    """SQLite's files below a folder, and what is not yet in them."""
    for path in folder.rglob("*"):
        if path.is_file() and (path.name.endswith("-wal") or _begins(path) == SQLITE):
            yield path


def _begins(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(len(SQLITE))


def around(data: bytes, form: bytes) -> str:
    """Where in it, and in which test, if it is a log that tells."""
    at = data.index(form)
    test = data[:at].rfind(MARK)
    named = data[test:].partition(b"\n")[0].removeprefix(MARK).decode() + ": " if test >= 0 else ""
    line = data[data.rfind(b"\n", 0, at) + 1 : at + 60]
    return named + line[-160:].decode("utf-8", "replace")


MARK = b"== "
"""Begins a line of the log that names the test which begins."""
CANARIES = Canaries()
"""This process's."""


class Log(structlog.PrintLogger):
    """Prints as ever, masked, and keeps what that was before."""

    def __init__(self, kept: Any) -> None:
        super().__init__(sys.stderr)
        self._kept = kept

    def msg(self, message: str) -> None:
        self._kept.write(message.encode() + b"\n")
        super().msg(str(redact(None, "", message)))

    log = debug = info = warn = warning = msg
    fatal = failure = err = error = critical = exception = msg


class Suite:
    """The plugin: a log for each process, and a run that fails for what was found in any of them."""

    def __init__(self) -> None:
        self.log = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the run
        self.found: list[str] = []
        self.told = ""
        self.told_by_workers: list[str] = []

    def listen(self) -> None:
        """Keeps what servers log in this process from now on, unmasked; those in processes of their own log all."""
        os.environ.setdefault("LOG_LEVEL", "debug")
        structlog.configure(
            processors=processors(terminal=False)[:-1],
            logger_factory=lambda *_: Log(self.log),
        )

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Says in the log who is next."""
        self.log.write(MARK + nodeid.partition("[")[0].encode() + b"\n")

    def look(self, folder: Path | None) -> None:
        """The search at the end."""
        self.log.seek(0)
        CANARIES.search(self.log.read(), "the log")
        if folder is not None:
            for each in sorted(path for path in folder.iterdir() if path.is_dir() and not path.is_symlink()):
                CANARIES.search_folder(each, each.name)
        self.found = list(dict.fromkeys(CANARIES.found))
        self.told = (
            f"S-T6: {CANARIES.count:,} secrets and prompts, looked for in {CANARIES.bytes:,} bytes of "
            f"{CANARIES.places:,} logs and databases: {len(self.found)} found"
        )

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Looks, and tells: a worker its controller, the controller everybody."""
        config = session.config
        if not config.getoption("numprocesses", None):
            factory = getattr(config, "_tmp_path_factory", None)
            self.look(factory.getbasetemp() if factory is not None else None)
        if hasattr(config, "workeroutput"):
            config.workeroutput["canaries"] = self.found
            config.workeroutput["canaries_told"] = self.told
        elif self.found:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """What a worker found."""
        told = getattr(node, "workeroutput", {})
        self.found += told.get("canaries", [])
        self.told_by_workers.append(told.get("canaries_told", "a worker was lost, and with it what it had to say"))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The numbers, and each find."""
        for line in self.told_by_workers or [self.told]:
            terminalreporter.write_line(line)
        for line in self.found:
            terminalreporter.write_line(f"IN THE CLEAR: {line}", red=True)


def pytest_configure(config: pytest.Config) -> None:
    """Once in each process."""
    if not config.pluginmanager.has_plugin("canaries"):
        suite = Suite()
        suite.listen()
        config.pluginmanager.register(suite, "canaries")
