"""A sample of answers is counted by our tokenizer as well: counts far above ours are flagged, and drift is an alarm."""

import structlog

from tollway.billing.drift import Ratios
from tollway.billing.tokens import Tokenizer, media_tokens
from tollway.domain.generation import Usage
from tollway.domain.health import Alarm
from tollway.gateway.run import ChatRun, Run

log = structlog.get_logger(__name__)

PROMPT_TOKENS_MAX, TEXT_MAX = 32_000, 200_000
"""Longer ones are not counted: one at a time, it takes some tens of milliseconds of a thread."""
LEAST = {"prompt": 256, "completion": 32}
"""Tokens of ours: below it a chat template's own tokens say more than the text."""


class DriftWatch:
    """`share`: the part of comparable answers that is counted; 0.0 switches it off."""

    def __init__(self, share: float) -> None:
        self._every = round(1 / share) if share else 0
        self._seen = 0
        self._busy = False
        self._ratios: dict[tuple[str, str], Ratios] = {}
        self.alarms: dict[str, Alarm] = {}
        """By endpoint and what is counted. Nothing is switched off for it."""

    def takes(self, run: Run) -> bool:
        """Whether this answer is one of the sample. While one is being counted no other is taken."""
        if not self._every:
            return False
        self._seen += 1
        return self._seen % self._every == 0 and not self._busy and isinstance(run, ChatRun) and is_comparable(run)

    def count(self, run: Run, tokenizer: Tokenizer) -> Usage:
        """Our own count, in a thread."""
        self._busy = True
        try:
            return run.count(tokenizer)
        finally:
            self._busy = False

    def compare(self, run: Run, counted: Usage, now_s: float) -> None:
        """Flags the run, and raises or ends an alarm."""
        if run.usage is None or run.candidate is None:
            return
        endpoint = run.candidate.endpoint
        pairs = {"prompt": (run.usage.prompt, counted.prompt)}
        if "reasoning" not in endpoint.parameters:  # thoughts may be hidden, and counted without a word
            pairs["completion"] = (run.usage.completion, counted.completion)
        flags = []
        for what, (reported, ours) in pairs.items():
            ratios = self._ratios.setdefault((endpoint.id, what), Ratios())
            if ratios.is_excess(reported, ours):
                flags.append(f"{what}: the provider counts {reported} tokens, we count {ours}")
            if ours >= LEAST[what]:
                ratios.add(reported, ours)
                self._tell(f"{endpoint.id}, {what} tokens", ratios, now_s)
        if flags:
            run.usage_flag = "; ".join(flags)

    def _tell(self, subject: str, ratios: Ratios, now_s: float) -> None:
        change = ratios.drift()
        if change is None:
            if self.alarms.pop(subject, None) is not None:
                log.warning("alarm over", subject=subject)
        elif subject not in self.alarms:
            than = "it used to, by our count" if change < 1 else "we do"
            text = f"the provider counts {abs(change):.0%} {'more' if change > 0 else 'fewer'} than {than}"
            self.alarms[subject] = Alarm(subject, text, now_s)
            log.error("alarm: token counts drift", subject=subject, why=text)


def is_comparable(run: ChatRun) -> bool:
    """A whole answer of text to a prompt of text: nothing of it is hidden from us, or counted in a way of its own."""
    usage, request = run.usage, run.request
    if usage is None or run.finish_reason not in ("stop", "length") or run.left or (request.n or 1) > 1:
        return False
    if run.prompt_tokens > PROMPT_TOKENS_MAX or run.text_size > TEXT_MAX:
        return False
    if request.tools or request.functions or request.response_format is not None or run.calls:
        return False
    besides = usage.reasoning or usage.tool_prompt or usage.web_searches or usage.audio_prompt or usage.audio_completion
    return not besides and not usage.image_completion and not media_tokens(request)
