"""The one exception of the HTTP side towards providers: what kind of fault, in words that are safe to log."""

from tollway.domain.http import FaultKind


class UpstreamFault(Exception):
    """A call failed below HTTP. `message` names hosts and ports, never a path, a query, a header or a password."""

    def __init__(self, kind: FaultKind, message: str) -> None:
        super().__init__(kind, message)
        self.kind = kind
        self.message = message

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"
