"""The one tokenizer of a process, loaded when it is first needed, whatever thread that is in."""

from threading import Lock

from tollway.billing.tokens import Tokenizer


class SharedTokenizer:
    """Call it for the one Tokenizer of a process: loaded at the first call, once, however many threads ask meanwhile.

    `functools.cache` would load one for each thread that asks before the first is there: 12 took 6 s and 360 MB.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._tokenizer: Tokenizer | None = None

    def __call__(self) -> Tokenizer:
        if self._tokenizer is None:
            with self._lock:
                if self._tokenizer is None:
                    self._tokenizer = Tokenizer()
        return self._tokenizer
