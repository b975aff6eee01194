"""`.csv` and `.json` beside pages: what the page's tables say, to whom the page says it, and nothing else."""

import csv
import io
import json
import re

import pytest

from tests.api.browsing import Browser
from tests.api.test_admin_pages import signed
from tests.support import World
from tests.web.site import Looked
from tollway.domain.people import Role, User
from tollway.identity.sessions import FRESH_MS
from tollway.storage.database import Statement
from tollway.web.render import TABLED
from tollway.web.tables import sheet_of

PUBLIC = ("/providers", "/status", "/compare?model=test/model&model=openai/gpt-4o", "/explore?model=openai/gpt-4o")
OWN = ("/guardrails", "/credits", "/workspace", "/alerts", "/presets", "/privacy", "/logs/{generation}")
ADMIN = (
    "/admin", "/admin/users/tbl-chief@example.com", "/admin/aliases", "/admin/ledger", "/admin/settings",
    "/admin/prices/endpoint?id=a:m", "/admin/providers/a",
)  # fmt: skip


@pytest.fixture(scope="module")
def chief(well: World) -> User:
    return well.new_user("tbl-chief", Role.OWNER, "tbl-home", admin=True)


@pytest.fixture(scope="module")
def generation(well: World, chief: User) -> str:
    """One of the workspace's, with a key beside it."""
    key = well.new_key("tbl-home", credits_usd="5", creator=chief)
    answer = well.chat(headers=key.headers)
    well.settled()
    return str(answer.json["id"])


def beside(path: str, kind: str) -> str:
    """The file's URL: the ending goes before the query."""
    where, mark, query = path.partition("?")
    return f"{where}.{kind}{mark}{query}"


def in_workspace(path: str, generation: str) -> str:
    return f"{path.replace('{generation}', generation)}?workspace=tbl-home"


def still(text: str) -> str:
    """Without what a second changes."""
    return re.sub(r"\d+ (s|min)\b( ago)?|\d+:\d\d", "a while", text)


@pytest.mark.parametrize("path", [*PUBLIC, *OWN, *ADMIN])
def test_files_are_the_tables(well: World, chief: User, generation: str, path: str) -> None:
    """Each row of each table, in both files, with the words of the page; the page leads to them."""
    if path in OWN:
        path = in_workspace(path, generation)
    if path.startswith("/admin/prices/endpoint"):
        path = f"/admin/prices/endpoint?id={next(iter(well.house.gateway.market.offers['test/model'].live)).id}"
    browser = signed(well, chief)
    page, as_csv, as_json = (browser.get(each) for each in (path, beside(path, "csv"), beside(path, "json")))
    assert (page.status, as_csv.status, as_json.status) == (200, 200, 200)
    shown = sheet_of("x", still(page.text))
    lines = list(csv.reader(io.StringIO(still(as_csv.text))))
    assert lines[0] == list(shown.columns)
    assert len(lines) - 1 == len(shown.rows)
    if path != "/status":  # which has a JSON of its own, with more in it
        assert [list(each.values()) for each in json.loads(still(as_json.text))["data"]] == [
            list(row) for row in shown.rows
        ]
    whole = sum(1 for row in Looked(page.text).rows if row)
    assert len(shown.rows) + page.text.count("<thead") == whole
    assert as_csv.headers["cache-control"] == page.headers["cache-control"]
    assert f'href="{beside(path, "csv").replace("&", "&amp;")}"' in page.text


@pytest.mark.parametrize("path", [*OWN, *ADMIN])
def test_whose_they_are(well: World, generation: str, path: str) -> None:
    """Nobody's without a session; another tenant's page is not there, nor is its file; an admin's is refused."""
    stranger = signed(well, well.new_user(f"tbl-stranger-{(*OWN, *ADMIN).index(path)}", Role.OWNER, "tbl-other"))
    path = in_workspace(path, generation) if path in OWN else path
    for kind in ("csv", "json"):
        assert Browser(well).get(beside(path, kind)).status == 401
        assert stranger.get(beside(path, kind)).status == (403 if path in ADMIN else 404)


def test_an_old_sign_in_gets_no_file(well: World) -> None:
    """The page would ask for the password; a file can't."""
    user = well.new_user("tbl-old", Role.OWNER, "tbl-old", admin=True)
    browser = signed(well, user)
    old = Statement(
        "UPDATE sessions SET fresh_ms = fresh_ms - :ms WHERE user_id = :id", ({"ms": FRESH_MS + 1, "id": user.id},)
    )
    well.run(well.house.database.write(old))
    answer = browser.get("/admin/settings.csv")
    assert (answer.status, "Confirm that it is you" in answer.text) == (403, True)


def test_every_page_of_the_list_is_there(well: World, chief: User) -> None:
    """A path that no page has would have no file, and nobody would notice."""
    for path in TABLED:
        where = path.replace("{id}", "nobody").replace("{slug}", "nobody")
        answer = signed(well, chief).get(f"{where}.json")
        assert answer.status in ({200, 404} if "{" in path or "endpoint" in path else {200}), path


def test_formulas_and_controls() -> None:
    """No cell is taken for a formula; buttons, forms and pictures say nothing; several tables share the columns."""
    html = """
    <h2>One</h2><table><thead><tr><th>Name</th><th></th></tr></thead><tbody>
      <tr><th>=1+1 <small>b</small></th><td><form><button>Go</button></form><svg><title>t</title></svg>x<br>y</td></tr>
    </tbody></table>
    <h2>Two</h2><table><thead><tr><th>Name</th><th>More</th></tr></thead><tr><td>n</td><td>m</td></tr></table>
    """
    sheet = sheet_of("x", html)
    assert sheet.columns == ("table", "Name", "column 2", "More")
    assert sheet.rows == [("One", "=1+1 b", "x y", ""), ("Two", "n", "", "m")]
