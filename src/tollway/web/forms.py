"""Forms: their fields as a Struct, each at most once, and where a page may send the browser on to."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

import msgspec
from msgspec import Struct
from starlette.requests import Request

from tollway.domain.errors import InvalidRequest, PayloadTooLarge

FORM_MAX_BYTES = 16_384
FIELDS_MAX = 50
HOME = "/overview"
"""Where one lands who has signed in and wanted nothing else."""
NEXT = (
    HOME,
    "/account",
    "/activity",
    "/alerts",
    "/auth",
    "/byok",
    "/chat",
    "/credits",
    "/guardrails",
    "/join",
    "/keys",
    "/logs",
    "/models",
    "/preferences",
    "/presets",
    "/privacy",
    "/workspace",
)
"""Pages that wait for somebody to sign in; so do all below /admin."""
Form = TypeVar("Form", bound=Struct)


async def read_form(request: Request, kind: type[Form]) -> Form:
    """InvalidRequest: what is wrong, and where."""
    if int(request.headers.get("content-length", 0)) > FORM_MAX_BYTES:
        raise PayloadTooLarge(f"A form has at most {FORM_MAX_BYTES} bytes.")
    try:
        text = (await request.body()).decode()
        fields = parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MAX)
    except ValueError:  # no UTF-8, or too many fields
        raise InvalidRequest("The form can't be read.") from None
    return as_struct(fields, kind)


def as_struct(fields: Sequence[tuple[str, str]], kind: type[Form]) -> Form:
    """Fields of a form or a query. InvalidRequest: one comes twice, or does not fit; fields of other names pass."""
    known = {each.encode_name for each in msgspec.structs.fields(kind)}
    found: dict[str, str] = {}
    for name, value in fields:
        if name in known and found.setdefault(name, value) is not value:
            raise InvalidRequest(f"{name}: must not be there twice", param=name)
    try:
        return msgspec.convert(found, kind, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidRequest(str(error)) from None


def converted_form(said: Mapping[str, Any], kind: type[Form]) -> Form:
    """Values of a form as what a desk is asked. InvalidRequest: what is wrong, and in which field."""
    try:
        return msgspec.convert(said, kind, strict=False)
    except msgspec.ValidationError as error:
        text, _, place = str(error).partition(" - at `$.")
        name = place.rstrip("`")
        raise InvalidRequest(f"{name}: {text}" if name else text, param=name or None) from None


def next_page(wanted: str) -> str:
    """A page of ours to go on to: a path that is on the list, with its query; else the overview."""
    good = wanted.isascii() and wanted.isprintable() and "\\" not in wanted and _waits(urlsplit(wanted).path)
    return wanted if good and wanted.startswith("/") and not wanted.startswith("//") else HOME


def _waits(path: str) -> bool:
    return path in NEXT or path == "/admin" or path.startswith("/admin/")


async def read_fields(request: Request, bytes_max: int, fields_max: int) -> list[tuple[str, str]]:
    """A form in which one name may come often, such as the boxes of a list. InvalidRequest, PayloadTooLarge."""
    if int(request.headers.get("content-length", 0)) > bytes_max:
        raise PayloadTooLarge(f"A form here has at most {bytes_max} bytes.")
    try:
        return parse_qsl((await request.body()).decode(), keep_blank_values=True, max_num_fields=fields_max)
    except ValueError:
        raise InvalidRequest("The form can't be read.") from None
