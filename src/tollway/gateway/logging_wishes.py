"""Which prompts and answers a workspace has kept: what `PATCH /workspaces/{id}` says of it, checked."""

from typing import Any, Protocol

from msgspec import UNSET, structs

from tollway.domain.errors import InvalidRequest
from tollway.domain.identity import key_number
from tollway.domain.retention import Records
from tollway.domain.standing import Logging, WorkspaceSettings, forbids_collection
from tollway.storage.database import Database
from tollway.storage.keys import ids_of_keys

SHARED, PRIVATE = "is_data_discount_logging_enabled", "is_observability_io_logging_enabled"
RATE, KEYS = "io_logging_sampling_rate", "io_logging_api_key_ids"


class Ask(Protocol):
    """The fields of a change that are about logging; UNSET: as before."""

    io_logging_api_key_ids: Any
    io_logging_sampling_rate: Any
    is_data_discount_logging_enabled: Any
    is_observability_io_logging_enabled: Any


async def logging_after(database: Database, workspace_id: str, before: Logging, ask: Ask) -> Logging:
    """InvalidRequest: a key that the workspace does not have."""
    said: dict[str, Any] = {
        name: value
        for name, value in (
            ("shared", ask.is_data_discount_logging_enabled),
            ("private", ask.is_observability_io_logging_enabled),
            ("sampling", ask.io_logging_sampling_rate),
        )
        if value is not UNSET
    }
    if ask.io_logging_api_key_ids is not UNSET:
        said["key_ids"] = None
        if ask.io_logging_api_key_ids is not None:
            said["key_ids"] = await _keys(database, workspace_id, ask.io_logging_api_key_ids)
    return structs.replace(before, **said)


def check_logging(settings: WorkspaceSettings, records: Records) -> None:
    """InvalidRequest: what is asked for could not be done, or would silently do nothing."""
    logging = settings.logging
    if logging is None or not (logging.private or logging.shared):
        return
    if not records.content_keep_days:
        name = SHARED if logging.shared else PRIVATE
        raise InvalidRequest(
            f"{name}: this server keeps no prompts and answers (records.content_keep_days)", param=name
        )
    if logging.shared and not records.content_discount_ppm:
        raise InvalidRequest(f"{SHARED}: this server gives no discount for it", param=SHARED)
    if logging.shared and forbids_collection(settings.provider):
        raise InvalidRequest(
            f"{SHARED}: the workspace's `provider` rules forbid to collect its data, so that nothing would be shared; "
            "change one of them",
            param=SHARED,
        )


async def _keys(database: Database, workspace_id: str, wanted: list[int | str]) -> tuple[str, ...]:
    """Hashes of the workspace's keys that are named by number or by hash."""
    known = await ids_of_keys(database, workspace_id)
    names: dict[int | str, str] = {id_: id_ for id_ in known} | {key_number(id_): id_ for id_ in known}
    if unknown := [each for each in wanted if each not in names]:
        raise InvalidRequest(f"{KEYS}: the workspace has no key {str(unknown[0])[:80]}", param=KEYS)
    return tuple(dict.fromkeys(names[each] for each in wanted))
