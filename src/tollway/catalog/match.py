"""Which model of the catalog a name means: its id, another name of it, or another spelling."""

from collections.abc import Iterable, Mapping

from tollway.catalog.names import loose, read_name

Key = tuple[tuple[str, ...], str, str]


class ModelIndex:
    """Ids and aliases, looked up by spelling. Built once for a list of names, not on the hot path."""

    def __init__(self, ids: Iterable[str], aliases: Mapping[str, str]) -> None:
        self._ids = frozenset(ids)
        self._aliases = aliases
        self._exact: dict[Key, set[str]] = {}
        self._loose: dict[Key, set[str]] = {}
        for id_ in self._ids:
            words, date, variant = read_name(id_).key
            self._exact.setdefault((words, date, variant), set()).add(id_)
            self._loose.setdefault((loose(words), date, variant), set()).add(id_)

    def find(self, text: str) -> str | None:
        """The id of the one model that `text` can mean; None where there is none, or more than one."""
        for name in (text, text.lower()):
            if name in self._ids:
                return name
            if name in self._aliases:
                return self._aliases[name]
        words, date, variant = read_name(text).key
        for index, key in ((self._exact, (words, date, variant)), (self._loose, (loose(words), date, variant))):
            found = index.get(key, set())
            if len(found) == 1:
                return next(iter(found))
            if found:
                return None
        return None
