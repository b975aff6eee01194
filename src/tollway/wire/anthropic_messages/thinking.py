"""A caller's `thinking` and effort -> `reasoning` and `verbosity`."""

from typing import Any

from tollway.domain.chat import Effort, Reasoning


def read(thinking: dict[str, Any] | None, effort: Effort | None) -> tuple[Reasoning | None, Effort | None]:
    """A caller's `thinking` and `output_config.effort` -> `reasoning`, and the `verbosity` that is left."""
    if thinking is None:
        return None, effort
    exclude = True if thinking.get("display") == "omitted" else None
    match thinking.get("type"):
        case "enabled":
            return Reasoning(max_tokens=thinking.get("budget_tokens"), exclude=exclude), effort
        case "disabled":
            return Reasoning(enabled=False), effort
        case _:
            return Reasoning(enabled=True, effort=effort, exclude=exclude), None
