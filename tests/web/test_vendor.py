"""Files of others, and modules: what is served is what is listed, complete, and finds what it imports."""

import posixpath
import re

import pytest
from msgspec.structs import replace

import vendor
from tests.web.site import app_of, full_market, get
from tollway.web.assets import Assets

ASSETS = Assets.of_package()
IMPORT = re.compile(r"""\bimport\s*(?:[\w{}*,\s$]+?from\s*|\(\s*)?["']([\w./@-]+)["']""")
MODULES = sorted(
    name for name in ASSETS.by_name if name.endswith(".js") and not name.startswith("vendor/swagger")
)  # that one is no module


def test_files_of_others_are_those_that_are_listed() -> None:
    """Each has the hash of the list, none is missing or too many, and THIRD_PARTY.md tells of all."""
    assert list(vendor.wrong(vendor.packages())) == []


def test_a_changed_file_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check can fail: with another hash in the list, with a package less, with a file more."""
    first, *rest = vendor.packages()
    other = replace(first, files=(replace(first.files[0], sha512="sha512-x"), *first.files[1:]))
    assert f"{first.files[0].name} is not the file that is listed" in vendor.wrong((other, *rest))
    assert f"{first.files[0].name} is there and not listed" in vendor.wrong(tuple(rest))
    more = replace(first, files=(*first.files, vendor.File(path="x.js", name="x.js", sha512="sha512-x")))
    assert "x.js is listed and not there" in vendor.wrong((more, *rest))


@pytest.mark.parametrize("package", vendor.packages(), ids=lambda package: package.name)
def test_each_brings_its_licence(package: vendor.Package) -> None:
    """A licence of some length, beside the files, so in every wheel."""
    assert len(ASSETS.by_name[f"vendor/{package.license_name}"].body) > 500


@pytest.mark.parametrize("name", MODULES)
def test_modules_import_by_relative_paths(name: str) -> None:
    """No bare name and no other site's: each import is a file of ours, below the same hash."""
    for found in IMPORT.findall(ASSETS.by_name[name].body.decode()):
        assert found.startswith("."), f"{name} imports {found}"
        assert posixpath.normpath(posixpath.join(posixpath.dirname(name), found)) in ASSETS.by_name, found


def test_folders_are_served() -> None:
    """A module in a folder is there, as JavaScript, to be kept for ever."""
    [answer] = get(app_of(full_market()), ASSETS.path("vendor/preact.js"))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert "immutable" in answer.headers["cache-control"]
    assert b"export" in answer.content
