"""Which behaviour a request meets: server, model name, headers and scripts, the later one wins."""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from tollway.simulator.behaviour import BadBehaviour, Behaviour, of_model, parse, typed, with_values

_TURNS_MAX = 10_000  # headers come from anybody; what is remembered of them stays bounded


class Director:
    """Holds the server's default behaviour and the scripts that tests have given it."""

    def __init__(self, defaults: Behaviour) -> None:
        self.defaults = defaults
        self._scripts: dict[str, deque[Behaviour | dict[str, Any]]] = {}
        self._turns: dict[tuple[str, str], int] = {}

    def script(self, name: str, behaviours: Iterable[Behaviour | str]) -> None:
        """The next requests for a model, at a provider or with a bearer token meet these in turn, and the rest do not.

        A `Behaviour` replaces whatever else was said; a text (`"fail=503"`, or `""`) only adds to it.
        """
        self._scripts[name] = deque(item if isinstance(item, Behaviour) else parse(item) for item in behaviours)

    def cast(self, name: str, provider: str, headers: Mapping[str, str]) -> tuple[str, Behaviour]:
        """A model's name as it was asked for -> its plain name and the behaviour. BadBehaviour: it cannot be read."""
        plain, values = of_model(name)
        behaviour = with_values(self.defaults, values)
        if told := headers.get("x-simulate"):
            behaviour = with_values(behaviour, parse(told))
        if script := headers.get("x-simulate-script"):
            behaviour = with_values(behaviour, self._turn(plain, script))
        for key in (plain, provider, headers.get("authorization", "").removeprefix("Bearer ")):
            if (waiting := self._scripts.get(key)) and waiting:
                turn = waiting.popleft()
                return plain, turn if isinstance(turn, Behaviour) else with_values(behaviour, turn)
        return plain, behaviour

    def _turn(self, model: str, script: str) -> dict[str, Any]:
        """The next item of a script that came as a header: a JSON list of objects, or of `key=value` texts."""
        try:
            items = msgspec.json.decode(script, type=list[dict[str, Any] | str])
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            raise BadBehaviour(f"x-simulate-script is not a JSON list of behaviours: {error}") from None
        turn = self._turns.get((model, script), 0)
        if len(self._turns) >= _TURNS_MAX:
            self._turns.clear()
        self._turns[model, script] = turn + 1
        if turn >= len(items):
            return {}
        item = items[turn]
        return parse(item) if isinstance(item, str) else typed(item)
