"""Where a setting is said, in which file or by which variable: and so, how an operator changes it."""

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from tollway.config import CONFIG_FILE, Config, ConfigError, config_file, origins


class WhereSet(Struct, frozen=True):
    """As it is just now; what is in force was read at start."""

    file: str
    """The configuration's path; "": there is no file."""
    wanted: str
    """Where a new file would be found at the next start."""
    said: Mapping[str, str]
    """`server.port` -> the file, or a variable's name. What is not here has its default."""
    trouble: str
    """Why the file can't be read any more; the next start would fail with that."""

    def variable(self, place: str) -> str:
        """The variable that sets it, and that the file can't overrule; "": none does."""
        found = self.said.get(place, "")
        return found if found.startswith("TOLLWAY_") else ""


def where_set(config: Config) -> WhereSet:
    """Reads the file anew: a page that an admin opens now and then."""
    wanted = str(Path(config.environment.get("TOLLWAY_CONFIG") or CONFIG_FILE).absolute())
    if not config.environment:
        return WhereSet("", wanted, {}, "")
    try:
        file = config_file(None, config.environment)
        return WhereSet(str(file.absolute()) if file else "", wanted, origins(None, config.environment), "")
    except ConfigError as error:
        return WhereSet("", wanted, {}, str(error))
