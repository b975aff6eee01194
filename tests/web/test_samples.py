"""The samples: each is a program that would run as pasted, with this server's address and a model on offer."""

import ast
import json
import re
import shlex

import pytest

from tests.web.site import NOW_S, PUBLIC_URL, app_of, endpoint, full_market, look, market_of, model
from tollway.domain.health import Outcome
from tollway.routing.health import HealthBoard
from tollway.web.samples import samples

BASE = f"{PUBLIC_URL}/api/v1"
NAMES = ["acme/seer", 'it\'s/"quoted"\\', "$(reboot)`id`", "line\nbreak", "日本/\u2028</script>{}"]


def literals(source: str) -> set[str]:
    """The strings of a Python program."""
    return {str(node.value) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)}


@pytest.mark.parametrize("name", NAMES)
def test_samples_hold_the_name_whatever_it_is(name: str) -> None:
    """The shell, JSON, Python and TypeScript each read back the very model and address that went in."""
    curl, python, typescript = samples(BASE, name)
    words = shlex.split(curl.text.replace("\\\n", " "))
    assert words[:2] == ["curl", f"{BASE}/chat/completions"]
    body = json.loads(words[words.index("-d") + 1])
    assert body == {"model": name, "messages": [{"role": "user", "content": "Hello!"}], "stream": True}
    assert {BASE, name, "TOLLWAY_KEY"} <= literals(python.text)
    strings = [json.loads(text) for text in re.findall(r'"(?:[^"\\]|\\.)*"', typescript.text)]
    assert {BASE, name} <= set(strings)
    assert typescript.text.isascii()


def test_own_parts_are_marked() -> None:
    """What is this server's own stands out: its address and the model, once each in every sample."""
    for sample in samples(BASE, "acme/seer"):
        own = [piece.text for piece in sample.pieces if piece.own]
        assert len(own) == 2
        assert BASE in own[0]
        assert own[1] == '"acme/seer"'


def test_the_page_shows_the_programs() -> None:
    """What the page holds, tags taken off, is the program to the letter: it is what the copy button copies."""
    page = look(app_of(full_market()))
    for sample in samples(BASE, "acme/seer"):
        assert page.by_id[f"code-{sample.id}"] == sample.text
    assert page.by_id["base-url"] == BASE
    assert [tag["id"] for tag in page.all("input") if tag.get("type") == "radio" and "checked" in tag] == ["tab-curl"]
    tabs = {tag["data-tab"] for tag in page.all("div") if "data-tab" in tag}
    assert {f"tab-{name}" for name in tabs} == {tag["for"] for tag in page.all("label") if "for" in tag}


@pytest.mark.parametrize(("path", "expected"), [("/", "acme/seer"), ("/models/acme/gift", "acme/gift")])
def test_the_model_is_on_offer(path: str, expected: str) -> None:
    """The first page's samples use the first model that a chat would reach, a model's page that model."""
    assert f'"{expected}"' in look(app_of(full_market()), path).by_id["code-python"]


@pytest.mark.parametrize("model", ["zeta/shut", "acme/brush"])
def test_no_sample_that_would_fail(model: str) -> None:
    """A model that is off, or that makes no text, has no sample of a chat."""
    assert "code-python" not in look(app_of(full_market()), f"/models/{model}").by_id


def test_the_model_is_not_down() -> None:
    """A model that is down is not the one to try first; if all are, one of them is shown all the same."""
    offers = {model(id_): [endpoint("near", id_, "0.000001", "0.000001")] for id_ in ("acme/first", "acme/second")}
    health = HealthBoard()
    health.observe("near:acme/first", Outcome.RATE_LIMITED, NOW_S, 60)
    app = app_of(market_of(offers), health)
    assert '"acme/second"' in look(app).by_id["code-python"]
    health.observe("near:acme/second", Outcome.RATE_LIMITED, NOW_S, 60)
    assert '"acme/first"' in look(app).by_id["code-python"]
