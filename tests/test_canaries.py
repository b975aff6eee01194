"""The suite's own search for secrets (tests/canaries.py) can fail: in each form and place, whoever runs it."""

import re
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import apsw
import pytest

from tests.canaries import Canaries
from tollway.identity.keys import new_secret

ROOT = Path(__file__).resolve().parents[1]
TOKEN = "canary0token1of2thirty3characters"
WORDS = "A prompt, and nobody's business."
LEAKS = f'''
import structlog
from pathlib import Path
from tests.canaries import CANARIES

def test_leaks():
    CANARIES.note("{TOKEN}")
    structlog.get_logger().debug("met", who="{TOKEN}")

def test_leaves(tmp_path):
    CANARIES.note("{WORDS}")
    (tmp_path / "server.log").write_text("asked: {WORDS}")
'''
CLEAN = LEAKS.replace(f'who="{TOKEN}"', 'who="him"').replace(f"asked: {WORDS}", "asked")


@pytest.mark.parametrize("before", range(4))
@pytest.mark.parametrize("secret", [TOKEN, WORDS])
def test_each_form_is_found(secret: str, before: int) -> None:
    """As it is, in hexadecimal, and in base64 wherever it begins."""
    data = b"?" * before + secret.encode() + b"? rest"
    for text in (data, data.hex().encode(), b64encode(data)):
        canaries = Canaries()
        canaries.note(secret)
        assert len(canaries.search(b"one line\n== a_test\n{" + text + b"}", "a log")) == 1, text
        assert "a_test" in canaries.found[0]
        assert canaries.search(b"{" + text[: len(text) // 2] + b"}", "a log") == []


def test_a_key_is_known_by_its_looks() -> None:
    """Nobody has to note it; a label, or what only looks like a key, is none."""
    key = new_secret()
    other = key[:-1] + ("0" if key[-1] != "0" else "1")
    assert len(Canaries().search(f"got {key}, well".encode(), "a log")) == 1
    assert Canaries().search(f"got {other}, {key[:12]}...{key[-3:]}".encode(), "a log") == []


def test_requests_and_answers_are_read() -> None:
    """What is sent as a credential or password, and the session that comes back, is noted."""
    canaries = Canaries()
    canaries.note_in(f"GET / HTTP/1.1\r\nx-api-key: k{TOKEN}\r\ncookie: tollway=c{TOKEN}\r\n\r\n".encode())
    sent = f'POST / HTTP/1.1\r\nauthorization: Bearer b{TOKEN}\r\n\r\n{{"password": "{TOKEN}"}}'
    canaries.note_in(sent.encode())
    canaries.note_in(b"POST / HTTP/1.1\r\n\r\nemail=a&password=correct+horse&x=1")
    canaries.note_in(f"HTTP/1.1 200 OK\r\nset-cookie: tollway=s{TOKEN}; Path=/\r\n\r\n".encode())
    for secret in (f"k{TOKEN}", f"c{TOKEN}", f"b{TOKEN}", TOKEN, f"s{TOKEN}", "correct horse"):
        assert canaries.search(f"<{secret}>".encode(), "a log"), secret
    for hostile in ("' OR '1'='1", "() { :;}; id"):
        canaries.note_in(f'authorization: Bearer {hostile}\r\n\r\n{{"password": "{hostile}"}}'.encode())
        assert canaries.search(f"<{hostile}>".encode(), "a log") == []


def test_databases_are_searched(tmp_path: Path) -> None:
    """What a row holds, also while it is only in the log beside the file; pages from before are not read again."""
    connection = apsw.Connection(str(tmp_path / "t.db"))
    connection.execute("PRAGMA journal_mode = WAL").fetchall()
    connection.execute("CREATE TABLE t (x TEXT)")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    canaries = Canaries()
    canaries.know(tmp_path)
    canaries.note(TOKEN)
    canaries.search_folder(tmp_path, "a test")
    assert canaries.found == []
    connection.execute("INSERT INTO t VALUES (?)", (f'{{"key": "{TOKEN}"}}',))
    canaries.search_folder(tmp_path, "a test")
    assert ["t.db-wal" in each for each in canaries.found] == [True], canaries.found
    connection.close()
    canaries.search_folder(tmp_path, "a test")
    assert ["t.db," in each for each in canaries.found] == [False, True], canaries.found


@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_run_fails_for_what_it_finds(tmp_path: Path, processes: str) -> None:
    """Every test of it has passed; it ends with 1, and names the tests that left something in the clear."""
    for text, status in ((LEAKS, 1), (CLEAN, 0)):
        test = tmp_path / "test_leak.py"
        test.write_text(text)
        alone = ("--rootdir", tmp_path, "-c", "/dev/null", "-p", "no:cacheprovider", test)
        ended = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "tests.canaries", "-n", processes, *alone],
            cwd=ROOT,
            env={"PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert ended.returncode == status, ended.stdout + ended.stderr
        assert "2 passed" in ended.stdout
        found = re.findall(r"IN THE CLEAR: (.*)", ended.stdout)
        assert len(found) == 2 * status, ended.stdout
        if status:
            assert any(TOKEN in each and "test_leak.py::test_leaks" in each for each in found), found
            assert any(WORDS in each and "test_leaves" in each for each in found), found
