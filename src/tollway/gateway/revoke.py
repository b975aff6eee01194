"""Revocation: a key that stops working, or may do less, ends its answers under way, wherever they are."""

from tollway.domain.errors import Unauthenticated
from tollway.gateway.run import Run

REVOKED = "This API key was revoked, or its user lost rights, while the answer was under way."


def revoke(run: Run) -> None:
    """Ends a run's answer with an error. What was made of it by now is paid for.

    The provider's connection is closed even where that does not stop its bill: who lost the key gets no more of it.
    """
    if run.finished:
        return
    run.error = Unauthenticated(REVOKED)
    run.left = True
    if run.leave is not None:
        run = run.leave()
    if run.call is not None and not run.finished:
        run.cancelled = True
        run.call.abort()
