"""All limits of this node, in memory: a request takes of all that it meets or of none, and gives back what it left."""

from collections.abc import Iterable, Mapping, Sequence

from tollway.limits.gcra import Buckets, Left, Short, Want
from tollway.limits.rules import FREE_PER_DAY, FREE_PER_MIN, GUESTS_PER_DAY, Asked, slots, want_of_model, wants
from tollway.limits.settings import Limits

DAY_MS = 86_400_000
MS_NS = 10**6


class Taken:
    """What one request took. It ends once: by `undo` where it was not dispatched, by `end` where it was."""

    __slots__ = ("_asked", "_day", "_limiter", "_wants")

    def __init__(self, limiter: "Limiter", asked: Asked, wanted: Sequence[Want], day: int) -> None:
        self._limiter = limiter
        self._asked = asked
        self._wants = list(wanted)
        self._day = day

    def undo(self, now_ns: int) -> None:
        """Nothing of it counts."""
        for want in self._wants:
            self._limiter.buckets.add(want, -want.cost, now_ns)
        if self._asked.free or self._asked.guest:
            self._limiter.free_days.add(self._asked.workspace_id, self._day, -1)
        self._limiter.leave(self._asked)

    def end(self, tokens: int, now_ns: int, *, free: bool = True) -> None:
        """It counts, with the tokens that it used in truth, more or fewer. `free`: a free endpoint was asked."""
        for want in self._wants:
            if want.of_tokens:
                self._limiter.buckets.add(want, tokens - want.cost, now_ns)
            elif want.said is FREE_PER_MIN and not free:
                self._limiter.buckets.add(want, -1, now_ns)
        if self._asked.free and not self._asked.guest and not free:
            self._limiter.free_days.add(self._asked.workspace_id, self._day, -1)
        self._limiter.leave(self._asked)

    def full(self, models: Iterable[str], now_ns: int) -> dict[str, Short]:
        """Those of these models of which nothing is left for the workspace."""
        found = {}
        for model in models:
            want = want_of_model(self._limiter.limits, self._asked.workspace_id, model)
            if want is not None and (short := self._limiter.buckets.short([want], now_ns)) is not None:
                found[model] = short
        return found

    def ask(self, model: str, now_ns: int) -> None:
        """A model is asked: it counts, and is owed where nothing was left."""
        want = want_of_model(self._limiter.limits, self._asked.workspace_id, model)
        if want is not None:
            self._limiter.buckets.add(want, 1, now_ns)
            self._wants.append(want)

    def left(self, now_ns: int, now_ms: int) -> Left | None:
        """The limit of requests of which least is left; None: it met none. The first that is full again comes last."""
        limiter, asked = self._limiter, self._asked
        found = [limiter.buckets.left(want, now_ns) for want in self._wants if not want.of_tokens]
        if (asked.free or asked.guest) and asked.daily:
            used = limiter.free_days.used(asked.workspace_id, self._day)
            rest_ns = max(0, (self._day + 1) * DAY_MS - now_ms) * MS_NS
            found.append(Left(asked.daily, max(0, asked.daily - used), rest_ns))
        return min(found, key=lambda left: (left.remaining, -left.reset_ns), default=None)


class FreeDays:
    """Requests of `:free` models, and of guests, in the present UTC day by workspace; the next one begins anew."""

    def __init__(self) -> None:
        self.day = 0
        self._used: dict[str, int] = {}
        self.changed: set[str] = set()
        """Workspaces whose count is not saved as it is now."""

    def used(self, workspace_id: str, day: int) -> int:
        return self._used.get(workspace_id, 0) if day == self.day else 0

    def add(self, workspace_id: str, day: int, amount: int) -> None:
        """A day that is over takes nothing more, and gives nothing back."""
        if day > self.day:
            self.day, self._used, self.changed = day, {}, set()
        if day == self.day:
            self._used[workspace_id] = max(0, self._used.get(workspace_id, 0) + amount)
            self.changed.add(workspace_id)

    def restore(self, day: int, used: Mapping[str, int]) -> None:
        """What was saved of a day, before anything was counted."""
        self.day, self._used = day, dict(used)


class Limiter:
    """The limits and their state. Nothing here waits, so that nobody comes between the question and the taking."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.buckets = Buckets()
        self.free_days = FreeDays()
        self._at_once: dict[tuple[str, str], int] = {}
        paid = (limits.key_rpm, limits.workspace_rpm, limits.model_rpm, limits.address_rpm, limits.credit_rps)
        more = (limits.key_tpm, limits.workspace_tpm, limits.key_at_once, limits.workspace_at_once)
        self.only_free = not any((*paid, *more, *limits.models_rpm.values()))
        """No limit is set that requests for other than `:free` models could meet."""
        self.by_model = bool(limits.model_rpm or any(limits.models_rpm.values()))

    def take(self, asked: Asked, now_ns: int, now_ms: int) -> Taken | Short:
        """`now_ns` is monotonic, `now_ms` the clock on the wall, which says when a day ends."""
        day = now_ms // DAY_MS
        wanted = tuple(wants(self.limits, asked))
        found = self._short(asked, day, now_ms) or self.buckets.take(wanted, now_ns)
        if found is not None:
            return found
        if asked.free or asked.guest:
            self.free_days.add(asked.workspace_id, day, 1)
        for slot, _, _ in slots(self.limits, asked):
            self._at_once[slot] = self._at_once.get(slot, 0) + 1
        return Taken(self, asked, wanted, day)

    def leave(self, asked: Asked) -> None:
        """A request that was under way is over."""
        for slot, _, _ in slots(self.limits, asked):
            self._at_once[slot] -= 1
            if not self._at_once[slot]:
                del self._at_once[slot]

    def _short(self, asked: Asked, day: int, now_ms: int) -> Short | None:
        """What is counted rather than paced: requests at once, and `:free` models a day."""
        for slot, count, said in slots(self.limits, asked):
            if self._at_once.get(slot, 0) >= count:
                return Short(said, count, 0, None, None)
        counted = (asked.free or asked.guest) and asked.daily
        if counted and self.free_days.used(asked.workspace_id, day) >= asked.daily:
            left_ns = ((day + 1) * DAY_MS - now_ms) * MS_NS
            return Short(GUESTS_PER_DAY if asked.guest else FREE_PER_DAY, asked.daily, 0, left_ns, left_ns)
        return None
