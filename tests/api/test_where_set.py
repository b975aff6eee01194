"""The setup and the settings say where each value stands: a file, a variable, or nowhere; also when a file broke."""

from pathlib import Path

import pytest

from tests.api.browsing import Browser
from tests.support import World, offer, world
from tollway.config import Config, Users
from tollway.web.admin.where_set import where_set


def admin_of(town: World) -> Browser:
    browser = Browser(town)
    browser.cookie = town.signed_in(town.new_user("admin", admin=True))["cookie"]
    return browser


def test_a_file_and_a_variable(tmp_path: Path) -> None:
    """The file's own path, the variable that beats it, and the lines to write; both pages stand a file that broke."""
    file = tmp_path / "tollway.toml"
    file.write_text('[users]\nsign_up = "invite"\n', encoding="utf-8")
    environment = {"TOLLWAY_CONFIG": str(file), "TOLLWAY_SERVER__PUBLIC_URL": "https://models.example"}
    settings = {"environment": environment, "users": Users("invite")}
    with world(offer(), settings=settings) as town:
        admin = admin_of(town)
        people = admin.get("/admin/setup?step=people").text
        assert f"Open <code>{file}</code>" in people
        assert f"<code>users.sign_up</code>, from {file}" in people
        assert "<code>users.launch_credit_usd</code>, the default" in people
        assert "sign_up = &#34;invite&#34;" in people
        assert "beats the file" not in people
        site = admin.get("/admin/setup?step=site").text
        assert "The variable <code>TOLLWAY_SERVER__PUBLIC_URL</code> sets <code>server.public_url</code>" in site
        assert "systemctl restart tollway" in site
        file.write_text("[users\n", encoding="utf-8")
        for path in ("/admin/setup?step=people", "/admin/settings"):
            broken = admin.get(path)
            assert (broken.status, str(file) in broken.text) == (200, True), broken.text
        file.unlink()
        for path in ("/admin/setup?step=people", "/admin/settings"):
            gone = admin.get(path)
            assert (gone.status, "is not there" in gone.text) == (200, True), gone.text


def test_nothing_is_set() -> None:
    """No file: the command that writes one, and where; an IP address says that passkeys can't be."""
    with world(offer()) as town:
        admin = admin_of(town)
        site = admin.get("/admin/setup?step=site").text
        assert f"tollway init {Path('tollway.toml').absolute()}" in site
        assert "<code>server.public_url</code>, the default" in site
        assert "not for this address" in site


@pytest.mark.parametrize("place", ["users.sign_up", "server.port"])
def test_defaults_have_no_origin(place: str) -> None:
    """What nobody says is in no file and no variable."""
    where = where_set(Config())
    assert (where.file, where.variable(place), place in where.said) == ("", "", False)
