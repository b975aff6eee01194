"""`/docs` of a whole server: the samples of who is signed in name the own key, of which only the beginning is known."""

from tests.api.browsing import Browser
from tests.support import World, request
from tests.web.site import Looked
from tollway.domain.people import Role


def test_samples_name_the_readers_key(well: World) -> None:
    """A stranger sees dots; who has a key its beginning, never the secret; who switched it off dots again."""
    user = well.new_user("docs-reader", Role.OWNER, "docs-reader")
    browser = Browser(well)
    strange = request(well.url, "GET", "/docs/clients")
    assert "TOLLWAY_KEY=...\n" in strange.text
    assert f"TOLLWAY_URL={well.house.config.public_url}" in strange.text
    browser.cookie = well.signed_in(user)["cookie"]
    assert "TOLLWAY_KEY=...\n" in browser.get("/docs/clients").text
    secret = Looked(browser.submit(browser.get("/keys"), "/keys", name="Reader").text).by_id["secret"]
    own = browser.get("/docs/clients")
    assert f"TOLLWAY_KEY={secret[:12]}...\n" in own.text
    assert secret not in own.text
    assert own.headers["cache-control"] == "no-store"


def test_the_reference_is_the_servers_own(well: World) -> None:
    """Every operation of /openapi.json is in the plain list."""
    document = request(well.url, "GET", "/openapi.json").json
    listed = {(row[0], row[1]) for row in Looked(request(well.url, "GET", "/docs/api").text).rows}
    wanted = {
        (method.upper(), path) for path, item in document["paths"].items() for method in item if method != "parameters"
    }
    assert wanted <= listed
