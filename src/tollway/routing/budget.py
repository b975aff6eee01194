"""How many second tries a failing endpoint may be sent: a fifth of its first ones, so that an outage makes no storm.

Time is passed in. A retry that is refused costs nothing; the request ends with the error that it has.
"""

SHARE = 0.2
"""Of an endpoint's first tries, so many retries may go to it."""
FLOOR_PER_S = 10.0
"""Retries that are let through however few first tries there are."""
SAVED_MAX = 10.0
"""Retries that can be saved up."""
UNWELL_PRICE = 2.0
"""What a retry at an endpoint costs that was failing when the plan was made."""
UNWELL_FLOOR_PRICE = FLOOR_PER_S
"""And of the floor: one a second. When all are down, first tries are spread over all, and so nobody is busy."""
BUSY_PER_S = FLOOR_PER_S / SHARE
"""First tries per second above which the share alone counts."""


class RetryBudget:
    """One endpoint's budget."""

    __slots__ = ("_count", "_count_before", "_floor", "_floor_s", "_saved", "_second")

    def __init__(self) -> None:
        self._saved = 0.0
        self._floor = FLOOR_PER_S
        self._floor_s = 0.0
        self._second = 0.0
        self._count = self._count_before = 0
        """First tries of this second and of the one before it."""

    def first_try(self, now_s: float) -> None:
        """A request is sent to the endpoint before any other."""
        second = now_s // 1.0
        if second != self._second:
            self._count_before = self._count if second == self._second + 1 else 0
            self._second, self._count = second, 0
        self._count += 1
        if self._saved < SAVED_MAX:
            self._saved = min(SAVED_MAX, self._saved + SHARE)

    def take(self, now_s: float, *, unwell: bool = False) -> bool:
        """Whether a retry may go to the endpoint now; if so it is paid for."""
        price = UNWELL_PRICE if unwell else 1.0
        if self._saved >= price:
            self._saved -= price
            return True
        self._floor = min(FLOOR_PER_S, self._floor + FLOOR_PER_S * max(0.0, now_s - self._floor_s))
        self._floor_s = now_s
        price = UNWELL_FLOOR_PRICE if unwell else 1.0
        busy = max(self._count, self._count_before) >= BUSY_PER_S and now_s // 1.0 - self._second <= 1
        if busy or self._floor < price:
            return False
        self._floor -= price
        return True


class RetryBudgets:
    """Every endpoint's budget, by its id."""

    def __init__(self) -> None:
        self._budgets: dict[str, RetryBudget] = {}

    def first_try(self, endpoint_id: str, now_s: float) -> None:
        """As `RetryBudget.first_try`."""
        budget = self._budgets.get(endpoint_id)
        if budget is None:
            budget = self._budgets[endpoint_id] = RetryBudget()
        budget.first_try(now_s)

    def take(self, endpoint_id: str, now_s: float, *, unwell: bool = False) -> bool:
        """As `RetryBudget.take`."""
        budget = self._budgets.get(endpoint_id)
        if budget is None:
            budget = self._budgets[endpoint_id] = RetryBudget()
        return budget.take(now_s, unwell=unwell)
