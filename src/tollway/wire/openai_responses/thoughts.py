"""`reasoning_details` -> a reasoning item, and what a stream says about it while it grows."""

from collections.abc import Callable
from typing import Any

_SUMMARY, _TEXT = "reasoning.summary", "reasoning.text"


class ReasoningItem:
    """A reasoning item in the making: parts of a summary, parts of text, and what seals it."""

    def __init__(self, item_id: str, first: dict[str, Any]) -> None:
        self.value: dict[str, Any] = {"id": item_id, "type": "reasoning", "status": "in_progress", "summary": []}
        form = first.get("format")
        if isinstance(form, str) and not form.endswith("responses-v1"):
            # Whose thoughts these are must come back with them: another company refuses their seal.
            self.value["format"] = form
        self._key = _key(first)
        self._place: Any = None
        self._part: dict[str, Any] | None = None
        self._kind = ""
        self._pieces: list[str] = []
        self._index = 0

    def place_at(self, index: int) -> None:
        self._index = index

    def continues(self, detail: dict[str, Any]) -> bool:
        """Whether a detail belongs to this item: it has its id, or, where there are none, its index."""
        return bool(_key(detail) == self._key)

    def take(self, detail: dict[str, Any], say: Callable[..., None]) -> None:
        kind = detail.get("type")
        if kind in (_SUMMARY, _TEXT):
            place = (kind, detail.get("index"))
            if self._part is None or place != self._place:
                self._begin(str(kind), say)
                self._place = place
            text = detail.get("summary" if kind == _SUMMARY else "text")
            if isinstance(text, str) and text:
                self._pieces.append(text)
                name = "reasoning_summary_text" if kind == _SUMMARY else "reasoning_text"
                say(f"response.{name}.delta", **self._where(), delta=text)
            if detail.get("signature"):
                self.value["signature"] = detail["signature"]
        elif kind == "reasoning.encrypted":
            self.value["encrypted_content"] = detail.get("data")

    def close(self, status: str, say: Callable[..., None]) -> None:
        self._end_part(say)
        self.value["status"] = status
        say("response.output_item.done", output_index=self._index, item=self.value)

    def _begin(self, kind: str, say: Callable[..., None]) -> None:
        self._end_part(say)
        self._kind = kind
        if kind == _SUMMARY:
            self._part = {"type": "summary_text", "text": ""}
            self.value["summary"].append(self._part)
            say("response.reasoning_summary_part.added", **self._where(), part=self._part)
        else:
            self._part = {"type": "reasoning_text", "text": ""}
            self.value.setdefault("content", []).append(self._part)
            say("response.content_part.added", **self._where(), part=self._part)

    def _end_part(self, say: Callable[..., None]) -> None:
        if self._part is None:
            return
        text = self._part["text"] = "".join(self._pieces)
        self._pieces.clear()
        if self._kind == _SUMMARY:
            say("response.reasoning_summary_text.done", **self._where(), text=text)
            say("response.reasoning_summary_part.done", **self._where(), part=self._part)
        else:
            say("response.reasoning_text.done", **self._where(), text=text)
            say("response.content_part.done", **self._where(), part=self._part)
        self._part = None

    def _where(self) -> dict[str, Any]:
        of_summary = self._kind == _SUMMARY
        parts = self.value["summary" if of_summary else "content"]
        name = "summary_index" if of_summary else "content_index"
        return {"item_id": self.value["id"], "output_index": self._index, name: len(parts) - 1}


def _key(detail: dict[str, Any]) -> Any:
    return detail.get("id") or ("index", detail.get("index"))
