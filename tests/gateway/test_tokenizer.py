"""The tokenizer is loaded once, whatever happens while it loads."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from tollway.billing.tokens import Tokenizer
from tollway.gateway import tokenizer
from tollway.gateway.tokenizer import SharedTokenizer

THREADS = 8


def test_many_threads_load_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A burst of requests right after the start must not load one each: that is 0.3 s and 30 MB every time."""
    loaded: list[Tokenizer] = []

    class Counted(Tokenizer):
        def __init__(self) -> None:
            super().__init__()
            loaded.append(self)

    monkeypatch.setattr(tokenizer, "Tokenizer", Counted)
    shared, together = SharedTokenizer(), Barrier(THREADS)

    def ask(_: int) -> Tokenizer:
        together.wait()
        return shared()

    with ThreadPoolExecutor(THREADS) as threads:
        found = list(threads.map(ask, range(THREADS)))
    assert len(loaded) == 1
    assert all(each is loaded[0] for each in found)
    assert found[0].count("Say hello.") == 3
