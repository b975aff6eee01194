"""`tollway byok rotate`: workspaces' provider keys are put under another key of the ring."""

from pathlib import Path

from tollway.cli.control import office
from tollway.cli.terminal import console, print_json
from tollway.config import load
from tollway.gateway.office import RotateByok
from tollway.storage.files import RING_FILE


async def rotate(config_file: Path | None, *, drop_old: bool, as_json: bool) -> None:
    """Rotates, and says what to back up."""
    config = load(config_file)
    async with office(config) as operator:
        done = await operator.rotate_byok(RotateByok(drop_old))
    if as_json:
        print_json(done)
        return
    place = "byok.ring" if config.byok.ring else str(config.data_dir / RING_FILE)
    console().print(f"{done.secrets} secrets are under the present key of {place} now. Back that up.", markup=False)
    if done.unreadable:
        console().print(f"{done.unreadable} were left: they were changed or moved, and no key opens them.")
