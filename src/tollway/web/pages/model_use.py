"""What a model is used for on this server: tokens and requests by day, and the apps that use it most."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from msgspec import Struct

from tollway.storage.usage_days import AppUse, ModelDay
from tollway.web.charts import Chart, stacked
from tollway.web.figures import percent

DAYS = 30
SHOWN_MAX = 50
NOTHING = ModelDay(0, 0, 0, 0, 0)


class ModelApp(Struct, frozen=True):
    """One app, of those whose use is public."""

    name: str
    url: str
    tokens: int
    requests: int
    width: int
    """Percent of the first one's tokens."""


class Activity(Struct, frozen=True):
    """What the tab of that name shows."""

    tokens: Chart
    requests: Chart
    days: tuple[ModelDay, ...]
    """Each day of the time, the oldest first."""
    tokens_whole: int
    requests_whole: int
    failed: str
    """The share of requests."""


def activity(days: Mapping[int, ModelDay], today: int, csv: str) -> Activity | None:
    """`days` by day since 1970. None: nobody asked in this time."""
    shown = tuple(days.get(day, NOTHING) for day in range(today - DAYS + 1, today + 1))
    asked, failed = sum(each.requests for each in shown), sum(each.errors for each in shown)
    if not asked:
        return None
    labels = [day_label(day) for day in range(today - DAYS + 1, today + 1)]
    prompts, answers = [each.prompt_tokens for each in shown], [each.completion_tokens for each in shown]
    answered = [each.requests - each.errors for each in shown]
    wrong = {"failed": [each.errors for each in shown]} if failed else {}
    return Activity(
        tokens=stacked("tokens", "Tokens a day", "count", labels, {"prompts": prompts, "answers": answers}, csv),
        requests=stacked(
            "requests", "Requests a day", "count", labels, {"answered": answered, **wrong}, csv, bad="failed"
        ),
        days=shown,
        tokens_whole=sum(prompts) + sum(answers),
        requests_whole=asked,
        failed=percent(failed / asked),
    )


def apps(found: Sequence[AppUse]) -> tuple[ModelApp, ...]:
    """Those with most tokens first."""
    most = max((each.tokens for each in found), default=0) or 1
    return tuple(
        ModelApp(
            name=each.title or each.url or "unnamed",
            url=each.url or "",
            tokens=each.tokens,
            requests=each.requests,
            width=max(1, round(100 * each.tokens / most)),
        )
        for each in found[:SHOWN_MAX]
    )


def day_label(day: int) -> str:
    """Days since 1970 -> "21 Nov"."""
    return datetime.fromtimestamp(day * 86_400, UTC).strftime("%d %b")
