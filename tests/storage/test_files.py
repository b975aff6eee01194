"""The data directory: one server at a time, notes for their owner's eyes, and a secret that is never empty."""

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support import PATIENCE_S
from tollway.storage.database import StorageError
from tollway.storage.files import (
    Control,
    ServerLock,
    is_locked,
    load_secret,
    read_control,
    remove_control,
    write_control,
)

NOTE = Control("http://127.0.0.1:8080", "token", 42)
HOLD_IT = """
import sys
from pathlib import Path
from tollway.storage.files import ServerLock
lock = ServerLock(Path(sys.argv[1]))
print(lock.acquire(), flush=True)
sys.stdin.read()
"""


def another_process(folder: Path) -> subprocess.Popen[str]:
    """A process that tries to take the lock, says whether it did, and holds it until its input ends."""
    command = [sys.executable, "-c", HOLD_IT, str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str]) -> str:
    """What a process printed."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def end(process: subprocess.Popen[str], *, kill: bool = False) -> None:
    """The end of a process: by itself, or as a crash."""
    if kill:
        process.kill()
    process.communicate(timeout=PATIENCE_S)


def test_the_lock_excludes_another_process(tmp_path: Path) -> None:
    """While one process holds it no other gets it; one that is killed lets go of it (MONEY.md, Leases)."""
    for kill in (False, True):
        first = another_process(tmp_path)
        try:
            assert said(first) == "True"
            assert is_locked(tmp_path)
            assert ServerLock(tmp_path).acquire() is False
            second = another_process(tmp_path)
            try:
                assert said(second) == "False"
            finally:
                end(second)
        finally:
            end(first, kill=kill)
        lock = ServerLock(tmp_path)
        assert lock.acquire(wait_s=5.0)
        lock.release()
    assert not is_locked(tmp_path)


def test_waiting_for_the_lock(tmp_path: Path) -> None:
    """Who waits gives up at the end of the wait; who asks when it was let go gets it, also in the same process."""
    lock, other = ServerLock(tmp_path), ServerLock(tmp_path)
    assert lock.acquire()
    began_s = time.monotonic()
    assert other.acquire(wait_s=0.1) is False
    assert 0.1 <= time.monotonic() - began_s < 10.0
    lock.release()
    lock.release()
    assert other.acquire()
    assert lock.acquire() is False
    other.release()


def test_asking_makes_no_file(tmp_path: Path) -> None:
    """To ask whether a server runs leaves no trace, and does not take the lock."""
    assert is_locked(tmp_path / "nothing") is False
    assert list(tmp_path.iterdir()) == []
    lock = ServerLock(tmp_path)
    assert is_locked(tmp_path) is False
    assert lock.acquire()
    assert is_locked(tmp_path) is True
    lock.release()
    assert is_locked(tmp_path) is False


def test_the_folder_is_its_owners(tmp_path: Path) -> None:
    """A data directory that is made has mode 0700, whoever makes it."""
    ServerLock(tmp_path / "a")
    load_secret(tmp_path / "b", None, has_keys=False)
    for name in "ab":
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o700


def test_the_note_for_the_command_line(tmp_path: Path) -> None:
    """Written, replaced and removed; readable by its owner only, and no half of it is ever there."""
    assert read_control(tmp_path) is None
    remove_control(tmp_path)
    before = os.umask(0)
    try:
        for pid in (42, 43):
            write_control(tmp_path, Control(NOTE.url, NOTE.token, pid))
            found = read_control(tmp_path)
            assert found is not None
            assert (found.url, found.token, found.pid) == (NOTE.url, NOTE.token, pid)
    finally:
        os.umask(before)
    assert [path.name for path in tmp_path.iterdir()] == ["control.json"]
    assert stat.S_IMODE((tmp_path / "control.json").stat().st_mode) == 0o600
    remove_control(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"url":1}', b"\xff\xfe"])
def test_a_note_that_is_none(content: bytes, tmp_path: Path) -> None:
    """A file that was cut short or is something else means that nobody can be reached, not a crash."""
    (tmp_path / "control.json").write_bytes(content)
    assert read_control(tmp_path) is None


def test_what_a_crash_left_is_no_obstacle(tmp_path: Path) -> None:
    """A half-written note of a killed process does not keep the next one from writing."""
    (tmp_path / "control.partial").write_text("half")
    write_control(tmp_path, NOTE)
    assert read_control(tmp_path) is not None
    assert [path.name for path in tmp_path.iterdir()] == ["control.json"]


def test_the_secret_is_made_once(tmp_path: Path) -> None:
    """256 random bits at the first start, the same at every other, in a file of mode 0600."""
    first = load_secret(tmp_path, None, has_keys=False)
    assert len(bytes.fromhex(first.decode())) == 32
    assert load_secret(tmp_path, None, has_keys=False) == first
    assert load_secret(tmp_path / "another", None, has_keys=False) != first
    assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600


def test_a_configured_secret_makes_no_file(tmp_path: Path) -> None:
    """What is configured counts, also over a file that is there."""
    assert load_secret(tmp_path, "configured", has_keys=False) == b"configured"
    assert list(tmp_path.iterdir()) == []
    load_secret(tmp_path, None, has_keys=False)
    assert load_secret(tmp_path, "configured", has_keys=False) == b"configured"


@pytest.mark.parametrize("configured", ["", " ", "\n\t"])
def test_an_empty_configured_secret_is_refused(configured: str, tmp_path: Path) -> None:
    """With an empty pepper anyone could forge keys (FAULTS.md, finding 11)."""
    with pytest.raises(StorageError, match="secret_key is empty"):
        load_secret(tmp_path, configured, has_keys=False)


@pytest.mark.parametrize("content", [b"", b" \n"])
def test_an_empty_secret_file_is_refused(content: bytes, tmp_path: Path) -> None:
    """A file that lost its content is not made anew: every key would stop working, without a word."""
    (tmp_path / "secret_key").write_bytes(content)
    with pytest.raises(StorageError, match="restore it from a backup"):
        load_secret(tmp_path, None, has_keys=False)
    assert (tmp_path / "secret_key").read_bytes() == content


def test_a_lost_secret_is_not_made_anew(tmp_path: Path) -> None:
    """A new pepper beside old keys would silently make every one of them invalid."""
    with pytest.raises(StorageError, match="restore it from a backup"):
        load_secret(tmp_path, None, has_keys=True)
    assert not (tmp_path / "secret_key").exists()
    assert load_secret(tmp_path, "configured", has_keys=True) == b"configured"
