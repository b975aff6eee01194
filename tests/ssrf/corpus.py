"""URLs that lead inside, from corpus.txt; every feature that takes a URL from a user is tried with all of them."""

from pathlib import Path

_ESCAPES = {"\\t": "\t", "\\n": "\n", "\\r": "\r"}


def corpus(port: int) -> list[str]:
    """All of them, with the port on which canaries listen."""
    lines = (Path(__file__).parent / "corpus.txt").read_text("utf-8").split("\n")
    return [_plain(line).replace("{port}", str(port)) for line in lines if line and not line.startswith("#")]


def _plain(line: str) -> str:
    for escape, meant in _ESCAPES.items():
        line = line.replace(escape, meant)
    return line
