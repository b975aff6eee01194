"""Prompts and answers that are kept: written after the answer, when there is time; one that is lost is only counted."""

import asyncio
import zlib
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import msgspec
import structlog
from msgspec import structs

from tollway.domain.chat import ChatRequest
from tollway.domain.content import Content, FailedAttempt, Failure, KeptContent, Output
from tollway.domain.events import Answer, Choice
from tollway.domain.health import SUCCEEDED
from tollway.domain.plain import PlainRequest, RerankRequest, text_of
from tollway.domain.retention import Records
from tollway.domain.standing import Keeping
from tollway.gateway.run import ChatRun, Run
from tollway.identity.credentials import KeyRing, Unreadable, content_place
from tollway.storage.contents import find_content, new_contents
from tollway.storage.database import Database, StorageError
from tollway.wire.collect import collect

log = structlog.get_logger(__name__)

QUEUE_MAX = 500
QUEUE_CHARACTERS = 32_000_000
"""About as much memory as what waits may take; what comes on top of it is lost."""
AT_ONCE = 16
PAUSE_S = 0.02
"""Between two writes: charges wait for the same writer, and they come first."""
DRAIN_S = 5.0
BYTES_PER_TOKEN = 4
STRING_SHARES = (4, 32, 256)
"""The parts of the whole that one string may take: the next one where the whole is still too long."""

Spawn = Callable[[Coroutine[Any, Any, None], str], None]


class Contents:
    """What is kept, and a queue of what is about to be."""

    def __init__(self, database: Database, ring: KeyRing, spawn: Spawn, records: Records) -> None:
        self._database = database
        self._ring = ring
        self._spawn = spawn
        self._bytes_max = records.content_max_bytes
        self.discount_ppm = records.content_discount_ppm
        """What sharing takes off a price, in millionths."""
        self._queue: deque[tuple[Run, Keeping, int]] = deque()
        self._characters = 0
        self._working = False
        self.kept = 0
        self.lost = 0

    def keep(self, run: Run) -> None:
        """Queues a finished run. Nothing here waits or reads what is in it."""
        keeping = run.keeping
        own_key = run.candidate is not None and run.candidate.credential is not None
        if keeping is not None and own_key:  # nothing was taken off its price
            keeping = structs.replace(keeping, shared=False)
        if keeping is None or not (keeping.private or keeping.shared):
            return
        size = run.prompt_tokens * BYTES_PER_TOKEN + (run.text_size if isinstance(run, ChatRun) else 0)
        if len(self._queue) >= QUEUE_MAX or self._characters + size > QUEUE_CHARACTERS:
            self.lost += 1
            return
        self._queue.append((run, keeping, size))
        self._characters += size
        if not self._working:
            self._working = True
            self._spawn(self._work(), "keep contents")

    async def find(self, workspace_id: str, generation_id: str) -> bytes | None:
        """A `Content` as JSON; None: nothing is kept of it, or it can't be opened any more."""
        found = await find_content(self._database, workspace_id, generation_id)
        if found is None:
            return None
        try:
            return zlib.decompress(self._ring.open_bytes(found.sealed, content_place(found)))
        except (Unreadable, zlib.error):
            log.error("what was kept of a generation can't be opened", id=generation_id)
            return None

    async def drain(self) -> None:
        """Returns when all that was queued is written, or after some seconds."""
        end_s = asyncio.get_running_loop().time() + DRAIN_S
        while self._working and asyncio.get_running_loop().time() < end_s:  # noqa: ASYNC110  # once in a process's life
            await asyncio.sleep(0.005)

    async def _work(self) -> None:
        try:
            while self._queue:
                batch = [self._queue.popleft() for _ in range(min(AT_ONCE, len(self._queue)))]
                self._characters -= sum(size for _, _, size in batch)
                await self._write([(run, keeping) for run, keeping, _ in batch])
                await asyncio.sleep(PAUSE_S)
        finally:
            self._working = False

    async def _write(self, runs: Sequence[tuple[Run, Keeping]]) -> None:
        """Under the ring's lock, so that no rotation misses what is closed here."""
        try:
            async with self._ring.lock:
                sealed = await asyncio.to_thread(lambda: [self._sealed(run, keeping) for run, keeping in runs])
                made = [each for each in sealed if each is not None]
                if made:
                    await self._database.write(new_contents(made))
        except StorageError as error:
            log.warning("contents could not be kept", count=len(runs), error=str(error))
            self.lost += len(runs)
            return
        self.kept += len(made)
        self.lost += len(runs) - len(made)

    def _sealed(self, run: Run, keeping: Keeping) -> KeptContent | None:
        """None: it can't be written down, and the log says only why not: never what is in it."""
        try:
            data = zlib.compress(written(run, self._bytes_max), 1)
        except Exception as error:  # noqa: BLE001  # whatever is odd about it: an answer was given, and that is past
            log.error("a content can't be written down", id=run.id, error=type(error).__name__)
            return None
        place = (run.caller.workspace_id, "generation content", run.id, 1)
        return KeptContent(
            run.caller.workspace_id, run.id, run.created_ms, keeping.shared, self._ring.seal_bytes(data, place)
        )


def written(run: Run, bytes_max: int) -> bytes:
    """A run's content as JSON of at most so many bytes: long strings are cut, then the first messages are left out."""
    content = Content(_input(run.request), _output(run), _error(run))
    found = msgspec.json.encode(content)
    for share in STRING_SHARES:
        if len(found) <= bytes_max:
            return found
        whole = msgspec.json.decode(found)
        found = msgspec.json.encode(_cut(whole, max(64, bytes_max // share)))
    while len(found) > bytes_max:
        whole = msgspec.json.decode(found)
        messages = whole["input"].get("messages", [])
        whole["input"]["messages"] = messages[len(messages) // 2 + 1 :]
        if not messages:
            whole = {"input": {"messages": []}, "output": {"completion": None, "reasoning": None}, "error": None}
            return msgspec.json.encode(whole)
        found = msgspec.json.encode(whole)
    return found


def _cut(value: Any, most: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= most else f"{value[:most]}… [{len(value) - most} more characters are not kept]"
    if isinstance(value, list):
        return [_cut(each, most) for each in value]
    if isinstance(value, dict):
        return {name: _cut(each, most) for name, each in value.items()}
    return value


def _input(request: ChatRequest | PlainRequest) -> dict[str, Any]:
    if isinstance(request, ChatRequest):
        if request.prompt is not None:
            return {"prompt": request.prompt}
        return {"messages": request.messages}
    texts = [text_of(each) or str(each) for each in request.inputs]
    if isinstance(request, RerankRequest):
        texts.insert(0, request.query)
    if len(texts) == 1:
        return {"prompt": texts[0]}
    return {"messages": [{"role": "user", "content": text} for text in texts]}


def _output(run: Run) -> Output:
    """As the caller got it: without reasoning that was not to be shown."""
    answer: Answer | None = run.answer if isinstance(run.answer, Answer) else None
    if isinstance(run, ChatRun) and answer is None and run.heard:
        answer = collect(run.heard)
    if answer is None or not answer.choices:
        return Output(None, None)
    hides = isinstance(run, ChatRun) and run.takes_reasoning_out
    outputs = tuple(_of_choice(choice, hides=hides) for choice in answer.choices)
    return structs.replace(outputs[0], choices=outputs) if len(outputs) > 1 else outputs[0]


def _of_choice(choice: Choice, *, hides: bool) -> Output:
    calls = tuple(
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in choice.tool_calls
    )
    return Output(choice.text or choice.refusal, None if hides else choice.reasoning, calls)


def _error(run: Run) -> Failure | None:
    failed = [each for each in run.attempts if each.outcome is not SUCCEEDED]
    if run.error is None:
        return None
    return Failure(
        message=run.error.message,
        provider_name=run.candidate.endpoint.provider if run.candidate else None,
        status=run.error.status,
        previous_errors=tuple(FailedAttempt(each.status or 502, each.message, each.provider) for each in failed),
    )
