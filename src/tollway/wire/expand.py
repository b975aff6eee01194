"""A whole answer -> the events that it would have streamed: the other way round than `collect`."""

from tollway.domain.events import (
    Answer,
    Event,
    ExtraDelta,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
)


def expand(answer: Answer) -> list[Event]:
    """Choice after choice: reasoning, text, refusal, tool calls, the rest, the finish reason."""
    events: list[Event] = []
    for choice in answer.choices:
        index = choice.index
        if choice.reasoning is not None or choice.reasoning_details:
            events.append(ReasoningDelta(choice.reasoning, index, choice.reasoning_details))
        if choice.text is not None:
            events.append(TextDelta(choice.text, index, choice.logprobs))
        if choice.refusal is not None:
            events.append(RefusalDelta(choice.refusal, index))
        for place, call in enumerate(choice.tool_calls):
            events.append(ToolCallDelta(place, index, call.id, call.name, call.arguments, call.extra_content))
        if choice.images is not None or choice.audio is not None or choice.annotations is not None:
            events.append(ExtraDelta(index, choice.images, choice.audio, choice.annotations))
        if choice.finish_reason is not None:
            events.append(Finished(choice.finish_reason, choice.native_finish_reason, index))
    return events
