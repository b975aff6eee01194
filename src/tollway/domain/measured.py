"""What was measured of an endpoint lately: speed, errors, uptime, and what its tokens did cost."""

from msgspec import Struct


class Spread(Struct, frozen=True):
    """Percentiles. Of seconds, `p90` is what 90% stay below; of tokens per second, what 90% reach."""

    p50: float
    p75: float
    p90: float
    p99: float


class Uptime(Struct, frozen=True):
    """Shares of requests that did not fail by the endpoint's fault; None: nobody asked it in that time."""

    minutes_5: float | None = None
    minutes_30: float | None = None
    day: float | None = None


class Measured(Struct, frozen=True):
    """One endpoint, as routing sees it. Rates are of the last 30 minutes, speeds of the last 5."""

    requests: int = 0
    """Of the last 30 minutes; 429s are among them, probes that failed in an outage are not."""
    error_rate: float = 0.0
    """Endpoint failures by requests; 429s and probes apart."""
    limited_rate: float = 0.0
    """429s by requests."""
    malformed_rate: float = 0.0
    """Answers with a tool call that can't be read, or of a tool that there is not, by answers with tool calls."""
    tool_answers: int = 0
    """Answers with tool calls of the last two hours."""
    tool_error_rate: float = 0.0
    """As `malformed_rate`, of the last two hours."""
    timed: int = 0
    """Streamed answers of the last 5 minutes, which the speeds come from."""
    first_s: Spread | None = None
    """Seconds to the first token."""
    late_s: tuple[float, float] | None = None
    """Seconds that 95% and 98% of the answers begin within."""
    speed: Spread | None = None
    """Tokens per second after the first."""
    usd_per_million: float | None = None
    """What a million tokens did cost, prompt and answer together: cache reads make it less than the list says."""
    tokens: int = 0
    """Tokens that `usd_per_million` comes from."""
    unstable: bool = False
    """A significant outage in the last 30 seconds."""
    steady: float | None = None
    """The uptime of 30 minutes as routing counts it: without probes, so that an outage ends when it is over."""
    uptime: Uptime = Uptime()


class HalfHour(Struct, frozen=True):
    """Speeds of one endpoint over 30 minutes: `latency_last_30m` and `throughput_last_30m` of OpenRouter's API."""

    first_s: Spread | None = None
    speed: Spread | None = None


class Figures(Struct, frozen=True, omit_defaults=True):
    """What was counted of an endpoint, in slices by wall time, as it is kept across restarts.

    Keys are milliseconds since 1970, somewhere in the slice. Counters have their names, so that a later version may
    count something else.
    """

    minutes: dict[int, dict[str, int]] = {}
    quarters: dict[int, dict[str, int]] = {}
    first: dict[int, dict[int, int]] = {}
    """Times to the first token: how many, by step (`routing.stats.Histogram`)."""
    speed: dict[int, dict[int, int]] = {}
    """Tokens per second, likewise."""


NOTHING = Measured()
"""Of an endpoint that nobody has asked yet."""


class EndpointHour(Struct, omit_defaults=True):
    """What was counted of an endpoint in one hour, as it is kept for 30 days."""

    requests: int = 0
    failed: int = 0
    """By the endpoint's fault; 429s apart."""
    limited: int = 0
    """429s."""
    timed_out: int = 0
    """Of the failed; so are `unreached` and `refused` (401, 402, 403, 404). What is left are 5xx and broken answers."""
    unreached: int = 0
    refused: int = 0
    first: dict[int, int] = {}
    """Times to the first token: how many, by step (`routing.stats.Histogram`)."""
    speed: dict[int, int] = {}
    """Tokens per second, likewise."""
    minutes_ms: int = 0
    """The last minute that is in it, by its middle; what is newer is still to be counted. So is `speeds_ms`."""
    speeds_ms: int = 0
