"""Files of others that the site serves: fetched from npm as src/tollway/web/vendor.toml says, or checked with --check.

A package's archive must have the integrity that is written there, and each file, as it is served, its own. Some files
are changed on the way, by what the list says (`replace`, `append`) and in no other way: browsers resolve no bare names.
"""

import argparse
import io
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha512
from pathlib import Path

import msgspec
from msgspec import Struct

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "src/tollway/web/vendor.toml"
FOLDER = ROOT / "src/tollway/web/static/vendor"
PAGE = ROOT / "THIRD_PARTY.md"

HEAD = """# What is not ours

Files that the site serves and that others wrote, each under its own licence. Printed by `make vendor` from
`src/tollway/web/vendor.toml`; the licences lie beside the files, in `src/tollway/web/static/vendor/licenses/`,
and are in every wheel. Python packages that Tollway needs are installed beside it and bring their own.

| Package | Version | Licence | Copyright | Files |
|---|---|---|---|---|
"""

FOOT = """
\\* With the change that the list names: an `export`, or a path in place of a package's name, so that browsers
load it as a module.
"""


class File(Struct, frozen=True, forbid_unknown_fields=True):
    """One file of a package."""

    path: str
    """In the archive, below `package/`."""
    name: str
    """In `static/vendor/`."""
    sha512: str
    """Of what is served: "sha512-" and base64."""
    replace: tuple[tuple[str, str], ...] = ()
    """Each text must be there."""
    append: str = ""


class Package(Struct, frozen=True, forbid_unknown_fields=True):
    """One package of npm."""

    name: str
    version: str
    integrity: str
    """Of the archive, as npm tells it."""
    license: str
    """SPDX."""
    copyright: str
    files: tuple[File, ...]
    license_files: tuple[str, ...] = ("LICENSE",)

    @property
    def license_name(self) -> str:
        """Where its licence lies, below `static/vendor/`."""
        return f"licenses/{self.name.strip('@').replace('/', '-')}.txt"


class VendorList(Struct, frozen=True, forbid_unknown_fields=True):
    """vendor.toml."""

    package: tuple[Package, ...]


class WrongFile(Exception):
    """An archive or a file is not what the list says."""


def packages() -> tuple[Package, ...]:
    """What the list says. msgspec.ValidationError: it is wrong."""
    return msgspec.convert(tomllib.loads(LIST.read_text("utf-8")), VendorList).package


def integrity(body: bytes) -> str:
    """As npm and browsers write it."""
    return f"sha512-{b64encode(sha512(body).digest()).decode()}"


def as_served(file: File, body: bytes) -> bytes:
    """A file of an archive -> what is served. WrongFile: a text that is to be replaced is not there."""
    # Only at line feeds: minified programs hold rarer ends of lines inside their strings.
    lines = body.decode().rstrip().split("\n")
    if lines[-1].startswith("//# sourceMappingURL="):  # the maps are not shipped
        del lines[-1]
    text = "\n".join(lines) + "\n"
    for old, new in file.replace:
        if old not in text:
            raise WrongFile(f"{file.path}: {old!r} is not in it")
        text = text.replace(old, new)
    return (text + file.append).encode()


def fetch(package: Package) -> tarfile.TarFile:
    """The archive, from the registry that npm is configured with. WrongFile: another one than the list's."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", folder]
        subprocess.run([*command, f"{package.name}@{package.version}"], check=True, stdout=subprocess.DEVNULL)
        [archive] = Path(folder).iterdir()
        body = archive.read_bytes()
    if integrity(body) != package.integrity:
        raise WrongFile(f"{package.name}@{package.version}: its archive is {integrity(body)}")
    return tarfile.open(fileobj=io.BytesIO(body))


def contents(package: Package) -> Iterator[tuple[str, bytes]]:
    """What is written for a package: name below `static/vendor/`, bytes. WrongFile: not what the list says."""
    with fetch(package) as archive:

        def read(path: str) -> bytes:
            member = archive.extractfile(f"package/{path}")
            if member is None:
                raise WrongFile(f"{package.name}: {path} is no file")
            return member.read()

        for file in package.files:
            body = as_served(file, read(file.path))
            if integrity(body) != file.sha512:
                raise WrongFile(f"{package.name}: {file.name} is {integrity(body)}")
            yield file.name, body
        yield package.license_name, b"\n".join(read(path) for path in package.license_files)


def page(listed: tuple[Package, ...]) -> str:
    """THIRD_PARTY.md."""
    return HEAD + "".join(_row(package) for package in listed) + FOOT


def _row(package: Package) -> str:
    marks = ("*" if file.replace or file.append else "" for file in package.files)
    names = ", ".join(f"`{file.name}`{mark}" for file, mark in zip(package.files, marks, strict=True))
    licence = f"[{package.license}]({licence_path(package)})"
    return f"| {package.name} | {package.version} | {licence} | {package.copyright} | {names} |\n"


def licence_path(package: Package) -> str:
    """From the root of the repository."""
    return (FOLDER / package.license_name).relative_to(ROOT).as_posix()


def wrong(listed: tuple[Package, ...]) -> Iterator[str]:
    """What in the folder is not as listed, in words; asks nobody."""
    wanted = {file.name: file.sha512 for package in listed for file in package.files}
    licences = {package.license_name for package in listed}
    there = {path.relative_to(FOLDER).as_posix(): path for path in FOLDER.rglob("*") if path.is_file()}
    for name in sorted(wanted.keys() | licences | there.keys()):
        if name not in there:
            yield f"{name} is listed and not there"
        elif name in wanted:
            if integrity(there[name].read_bytes()) != wanted[name]:
                yield f"{name} is not the file that is listed"
        elif name not in licences:
            yield f"{name} is there and not listed"
    if not PAGE.is_file() or PAGE.read_text("utf-8") != page(listed):
        yield f"{PAGE.name} is stale"


def write(listed: tuple[Package, ...]) -> None:
    """Fetches everything, and writes it once all of it is right."""
    found = {name: body for package in listed for name, body in contents(package)}
    for path in FOLDER.rglob("*"):
        if path.is_file() and path.relative_to(FOLDER).as_posix() not in found:
            path.unlink()
    for name, body in found.items():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    PAGE.write_text(page(listed), "utf-8")
    print(f"{len(found)} files of {len(listed)} packages")


def main() -> int:
    """0: all is well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare the folder with the list, offline")
    if parser.parse_args().check:
        found = list(wrong(packages()))
        print("\n".join([*found, "run `make vendor`"]) if found else "as listed")
        return len(found) and 1
    try:
        write(packages())
    except WrongFile as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
