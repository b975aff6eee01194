"""The data directory: one server at a time (a file lock), the secret, and how the command line finds the server."""

import fcntl
import os
import secrets
import time
from pathlib import Path
from typing import IO

import msgspec
from msgspec import Struct

from tollway.storage.database import StorageError

DATABASE_FILE = "tollway.db"
RING_FILE = "byok_ring"


class Control(Struct):
    """Where the running server listens, and the token that the command line shows it. A file of mode 0600."""

    url: str
    token: str
    pid: int


class ServerLock:
    """Held while a server runs: its lease is the whole balance, so there may be one only (MONEY.md, Leases).

    StorageError: the data directory can't be made, or not written to.
    """

    def __init__(self, data_dir: Path) -> None:
        try:
            data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise unusable(data_dir, error) from None
        self._path = data_dir / "server.lock"
        self._file: IO[str] | None = None

    def acquire(self, wait_s: float = 0.0) -> bool:
        """False: another process holds it. `wait_s`: a command holds it for a moment only, so that waiting may help."""
        end_s = time.monotonic() + wait_s
        try:
            file = self._path.open("a")
        except OSError as error:
            raise unusable(self._path.parent, error) from None
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= end_s:
                    file.close()
                    return False
                time.sleep(0.02)
            else:
                self._file = file
                return True

    def release(self) -> None:
        """Lets the next server start. The kernel does the same when a process is killed."""
        if self._file is not None:
            self._file.close()
            self._file = None


def unusable(data_dir: Path, error: OSError) -> StorageError:
    """A data directory that the system refuses us, and what to do about it."""
    return StorageError(
        f"The data directory {data_dir} can't be written to: {error.strerror}. Give it to the user that runs Tollway, "
        "or set storage.data_dir (TOLLWAY_STORAGE__DATA_DIR) to another place"
    )


def is_locked(data_dir: Path) -> bool:
    """Whether a server, or a command that changes something, uses this data directory now. Makes no file."""
    try:
        with (data_dir / "server.lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def read_control(data_dir: Path) -> Control | None:
    """How to reach the running server, or None if none has left its note."""
    try:
        return msgspec.json.decode((data_dir / "control.json").read_bytes(), type=Control)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def write_control(data_dir: Path, control: Control) -> None:
    """Replaces the note in one step, readable by its owner only."""
    _write_private(data_dir / "control.json", msgspec.json.encode(control))


def remove_control(data_dir: Path) -> None:
    """The server has stopped."""
    (data_dir / "control.json").unlink(missing_ok=True)


def load_secret(data_dir: Path, configured: str | None, *, has_keys: bool) -> bytes:
    """The pepper of key digests: configured, or a file made at first start.

    StorageError: an empty one, or one that is lost although there are keys: with another, no key would work.
    """
    if configured is not None:
        if not configured.strip():
            raise StorageError("security.secret_key is empty: anyone could forge keys")
        return configured.encode()
    path = data_dir / "secret_key"
    if not path.exists():
        if has_keys:
            raise StorageError(f"{path} is missing, and no key works without it: restore it from a backup")
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write_private(path, secrets.token_hex(32).encode())
    secret = path.read_bytes().strip()
    if not secret:
        raise StorageError(f"{path} is empty: restore it from a backup; without it no key works")
    return secret


def load_ring(data_dir: Path) -> str | None:
    """The keys under which workspaces' own provider keys lie; None: there is no such file."""
    path = data_dir / RING_FILE
    return path.read_text() if path.exists() else None


def store_ring(data_dir: Path, text: str) -> None:
    """Replaces them in one step; the file can only be read, by its owner only."""
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    _write_private(data_dir / RING_FILE, text.encode(), 0o400)


def _write_private(path: Path, data: bytes, mode: int = 0o600) -> None:
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
