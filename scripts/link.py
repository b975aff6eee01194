"""Puts src/ on the environment's path and writes the commands that pyproject.toml names, as an editable install would.

An editable install by pip would need the build backend, locked and downloaded too, for the same two small files.
Run it with the environment's own Python.
"""

import sys
import sysconfig
import tomllib
from pathlib import Path

COMMAND = """#!{python}
import sys

from {module} import {function}

if __name__ == "__main__":
    sys.exit({function}())
"""


def main() -> None:
    """Write `<site-packages>/tollway-checkout.pth` and one command per line of `[project.scripts]`."""
    if sys.prefix == sys.base_prefix:
        sys.exit("scripts/link.py changes the environment that runs it: call it as .venv/bin/python scripts/link.py")
    root = Path(__file__).resolve().parent.parent
    (Path(sysconfig.get_path("purelib")) / "tollway-checkout.pth").write_text(f"{root / 'src'}\n")
    commands: dict[str, str] = tomllib.loads((root / "pyproject.toml").read_text())["project"]["scripts"]
    for name, target in commands.items():
        module, _, function = target.partition(":")
        path = Path(sysconfig.get_path("scripts")) / name
        path.write_text(COMMAND.format(python=sys.executable, module=module, function=function))
        path.chmod(0o755)


if __name__ == "__main__":
    main()
