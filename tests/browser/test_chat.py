"""The chat room in a browser: models side by side, branches, what is kept, and what its errors say to do."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import FilePayload, Page, expect

from tests.browser.visitor import Form, Visitor, Visits, Width, in_each_form
from tests.support import World, offer, world
from tollway.config import Server
from tollway.domain.people import Role, User
from tollway.domain.storefronts import Guest
from tollway.limits import Limiter, Limits

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c63f8cfc0f01f00050001ff56c72f0d"
    "0000000049454e44ae426082"
)


@pytest.fixture(scope="module")
def hall() -> Iterator[World]:
    """Models that answer at different paces, one that says the prompt again, and guests for one of them."""
    with world(
        offer("chat/quick", "m@tokens=12"),
        offer("chat/slow", "s@tokens=400,tokens_per_s=15"),
        offer("chat/echo", "e@answer=echo"),
        offer("chat/thinks", "t@reasoning=8,tokens=12"),
        offer("chat/tools", "x@answer=tools"),
        offer("chat/broken", "b@fail=503"),
        offer("chat/free", "f@tokens=8", free=True),
        guest=Guest(models=("chat/free",)),
        server=Server(port=0),
    ) as it:
        yield it


def person(hall: World, name: str, credits_usd: str | None = "5") -> User:
    found = hall.new_user(name, Role.OWNER, name)
    if credits_usd is not None:
        hall.run(hall.stage.grant(name, credits_usd))
    return found


def enter(visit: Visits, hall: World, user: User, *models: str, width: Width | None = None) -> Visitor:
    visitor = visit(user, width=width, world=hall)
    visitor.open("/chat" + "".join(f"{'&' if number else '?'}model={each}" for number, each in enumerate(models)))
    expect(visitor.page.locator(".composer")).to_be_visible()
    return visitor


def say(page: Page, text: str) -> None:
    page.get_by_label("Your message").fill(text)
    page.get_by_label("Your message").press("Enter")


def done(page: Page, count: int = 1) -> None:
    """So many answers are complete."""
    expect(page.get_by_role("button", name="Regenerate")).to_have_count(count)


@in_each_form
def test_two_models_side_by_side(visit: Visits, hall: World, tmp_path: Path, form: Form) -> None:
    """One is stopped and the other goes on; a reload keeps both; exported without a credential, and read in again."""
    user = person(hall, f"chat-two-{form.name}")
    visitor = enter(visit, hall, user, "chat/slow", "chat/quick")
    page = visitor.page
    say(page, "Tell me about roads.")
    slow, quick = (page.get_by_role("region", name=f"Answer of chat/{name}") for name in ("slow", "quick"))
    expect(quick.get_by_text("out ·")).to_be_visible()
    expect(slow.locator(".prose")).not_to_be_empty()
    slow.get_by_role("button", name="Stop chat/slow").click()
    expect(slow.get_by_text("Stopped.")).to_be_visible()
    expect(quick.get_by_text("first token")).to_contain_text("$0.0")
    kept = slow.locator(".prose").inner_text()
    page.reload()
    done(page, 2)
    expect(page.get_by_role("region", name="Answer of chat/slow").locator(".prose")).to_have_text(kept)
    if form.width == 375:
        visitor.button("Conversations").click()
    with page.expect_download() as download:
        visitor.button("Export all").click()
    path = tmp_path / "talk.json"
    download.value.save_as(path)
    text = path.read_text("utf-8")
    data = json.loads(text)
    assert (data["format"], data["version"], len(data["conversations"])) == ("tollway-chat", 1, 1)
    cookie = hall.signed_in(user)
    for secret in ("sk-", "csrf", cookie["x-csrf-token"], str(page.locator("#chat").get_attribute("data-csrf"))):
        assert secret not in text
    visitor.button("Delete Tell me about roads.").first.click()  # the dialog is dismissed: nothing happens
    visitor.watch.expect("dialog: Delete")
    other = enter(visit, hall, person(hall, f"chat-two-b-{form.name}"), "chat/quick")
    other.page.get_by_label("Files with conversations").set_input_files(path)
    done(other.page, 2)
    expect(other.page.get_by_role("heading", name="Tell me about roads.")).to_be_visible()
    say(other.page, "And now?")
    done(other.page, 3)


def test_a_reload_in_the_middle(visit: Visits, hall: World) -> None:
    """What came is kept, and says that it is not all; it can be asked for again."""
    page = enter(visit, hall, person(hall, "chat-reload"), "chat/slow").page
    say(page, "Begin")
    expect(page.locator(".prose")).to_contain_text("simulated")
    page.wait_for_timeout(600)  # longer than it takes to be kept
    page.reload()
    expect(page.get_by_text("The page was closed before the answer was complete.")).to_be_visible()
    expect(page.locator(".prose")).to_contain_text("simulated")
    page.get_by_role("button", name="Regenerate").click()
    expect(page.get_by_role("button", name="Stop chat/slow")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_text("Stopped.")).to_be_visible()
    expect(page.get_by_text("2 / 2")).to_be_visible()


def test_conversations_go_on_behind_others(visit: Visits, hall: World) -> None:
    """While one is answered another can be begun; a deleted one stops and does not come back."""
    visitor = enter(visit, hall, person(hall, "chat-behind"), "chat/slow")
    page = visitor.page
    say(page, "Slowly")
    expect(page.locator(".prose")).to_contain_text("simulated")
    visitor.button("New").click()
    say(page, "Another")
    expect(page.get_by_role("button", name="Stop chat/slow")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_text("Stopped.")).to_be_visible()
    page.get_by_role("button", name="Slowly").first.click()
    expect(page.get_by_role("button", name="Stop chat/slow")).to_be_visible()
    page.evaluate("() => { window.confirm = () => true; }")
    visitor.button("Delete Slowly").click()
    listed = page.get_by_role("navigation", name="Conversations").locator("li")
    expect(listed).to_have_count(1)
    page.wait_for_timeout(800)
    page.reload()
    expect(listed).to_have_count(1)


def test_branches(visit: Visits, hall: World) -> None:
    """An edited prompt stands beside its old self; both are reachable, and the total counts both."""
    visitor = enter(visit, hall, person(hall, "chat-branch"), "chat/echo")
    page = visitor.page
    say(page, "First **bold**")
    done(page)
    expect(page.locator(".prose strong")).to_have_text("bold")
    say(page, "Second")
    done(page, 2)
    page.get_by_role("button", name="Edit", exact=True).first.click()
    page.get_by_label("Edit the prompt").fill("Third")
    visitor.button("Send as a branch").click()
    done(page)
    expect(page.locator(".prompt")).to_have_count(1)
    assert hall.stage.bodies()[-1]["messages"] == [{"role": "user", "content": "Third"}]
    visitor.button("Branch before").click()
    done(page, 2)
    expect(page.locator(".prompt").nth(1)).to_contain_text("Second")
    visitor.button("Branch after").click()
    page.get_by_role("button", name="Delete", exact=True).first.click()
    expect(page.locator(".prompt").first).to_contain_text("First")
    page.reload()
    done(page, 2)


def test_what_was_said_before_is_sent(visit: Visits, hall: World) -> None:
    """The system prompt, the parameters and the turns; what is no JSON is not used and told."""
    page = enter(visit, hall, person(hall, "chat-before"), "chat/echo").page
    page.get_by_text("Settings", exact=True).click()
    page.get_by_label("System prompt").fill("Be brief.")
    page.get_by_label("Temperature").fill("0.5")
    page.get_by_label("Provider preferences").fill('{"sort": ')
    page.get_by_label("Tokens of an answer").fill("50")
    expect(page.get_by_text("Not used:")).to_be_visible()
    page.get_by_label("Provider preferences").fill('{"sort": "price"}')
    page.get_by_label("System prompt").press("Escape")
    say(page, "One")
    done(page)
    say(page, "Two")
    done(page, 2)
    sent = hall.stage.bodies()[-1]
    assert [each["role"] for each in sent["messages"]] == ["system", "user", "assistant", "user"]
    assert sent["messages"][0]["content"] == "Be brief."
    assert (sent["temperature"], sent.get("max_tokens") or sent["max_completion_tokens"]) == (0.5, 50)


def test_reasoning_and_tools(visit: Visits, hall: World) -> None:
    """Reasoning is folded; a call of a tool is a card."""
    page = enter(visit, hall, person(hall, "chat-thinks"), "chat/thinks", "chat/tools").page
    say(page, "Think")
    done(page, 2)
    folded = page.locator("details.reasoning p")
    expect(folded).to_be_hidden()
    page.get_by_text("Reasoning", exact=True).click()
    expect(folded).to_be_visible()
    assert page.get_by_role("region", name="Answer of chat/tools").inner_text()


def test_why_this_route(visit: Visits, hall: World) -> None:
    """The attempts and the plan, from the record."""
    visitor = enter(visit, hall, person(hall, "chat-why"), "chat/quick")
    say(visitor.page, "Why?")
    done(visitor.page)
    visitor.button("Why this route?").click()
    why = visitor.page.get_by_role("region", name="Why this route")
    expect(why.get_by_text("succeeded")).to_be_visible()
    expect(why.locator(".plan li").first).to_contain_text("the only one that fits")
    expect(why.get_by_role("link", name="The whole record")).to_be_visible()


def test_images_and_files(visit: Visits, hall: World) -> None:
    """Shown before they are sent, sent as parts; another kind is refused in words, and nothing of it is sent."""
    page = enter(visit, hall, person(hall, "chat-files"), "chat/echo").page
    chooser = page.get_by_label("Images and PDFs")
    chooser.set_input_files([FilePayload(name="a.exe", mimeType="application/x-msdownload", buffer=b"MZ")])
    expect(page.get_by_text("a.exe: images")).to_be_visible()
    chooser.set_input_files([FilePayload(name="dot.png", mimeType="image/png", buffer=PNG)])
    expect(page.get_by_alt_text("dot.png")).to_be_visible()
    say(page, "What is it?")
    expect(page.locator(".prompt img")).to_be_visible()
    expect(page.get_by_label("Answer of chat/echo").locator(".prose, .wrong").first).to_be_visible()


@pytest.mark.parametrize(
    ("name", "credits_usd", "model", "said", "link"),
    [
        ("chat-poor", None, "chat/quick", "Add credits", "/credits"),
        ("chat-broken", "5", "chat/broken", "Try again, or choose another model.", ""),
        ("chat-absent", "5", "chat/absent", "Change the request", ""),
    ],
)
def test_errors_say_what_to_do(
    visit: Visits, hall: World, name: str, credits_usd: str | None, model: str, said: str, link: str
) -> None:
    """What happened, in the server's words, and what to do about it."""
    visitor = enter(visit, hall, person(hall, name, credits_usd), model)
    visitor.watch.expect(r"status of (402|503|502|404|400)")
    say(visitor.page, "Hello")
    alert = visitor.page.get_by_role("alert")
    expect(alert).to_contain_text(said)
    if link:
        assert alert.get_by_role("link").get_attribute("href") == link


def test_signed_out_meanwhile(visit: Visits, hall: World) -> None:
    """A session that is over: sign in again; the conversation stays."""
    visitor = enter(visit, hall, person(hall, "chat-gone"), "chat/quick")
    visitor.watch.expect("status of 401")
    visitor.context.clear_cookies()
    say(visitor.page, "Hello")
    expect(visitor.page.get_by_role("link", name="Sign in again")).to_be_visible()
    expect(visitor.page.locator(".prompt")).to_contain_text("Hello")


def test_the_list(visit: Visits, hall: World) -> None:
    """Conversations are searched, renamed and deleted; on a phone the list is a drawer; another user sees none."""
    visitor = enter(visit, hall, person(hall, "chat-list"), "chat/echo", width=375)
    page = visitor.page
    visitor.watch.expect("dialog: Delete")
    for text in ("Apples", "Pears"):
        say(page, text)
        done(page)
        visitor.button("New").click()
    visitor.button("Conversations").click()
    listed = page.get_by_role("navigation", name="Conversations").locator("li")
    expect(listed).to_have_count(2)
    page.get_by_label("Search conversations").fill("pear")
    expect(listed).to_have_count(1)
    visitor.button("Rename Pears").click()
    page.get_by_label("New name").fill("Fruit")
    page.get_by_label("New name").press("Enter")
    expect(listed).to_contain_text("Fruit")
    page.get_by_label("Search conversations").fill("")
    page.evaluate("() => { window.confirm = () => true; }")
    visitor.button("Delete Apples").click()
    expect(listed).to_have_count(1)
    page.reload()
    visitor.button("Conversations").click()
    expect(listed).to_contain_text(["Fruit"])
    page.keyboard.press("Escape")
    expect(page.get_by_role("navigation", name="Conversations")).to_be_hidden()
    stranger = enter(visit, hall, person(hall, "chat-list-b"), "chat/echo")
    expect(stranger.page.get_by_text("What you ask is listed here")).to_be_visible()


def test_the_picker(visit: Visits, hall: World) -> None:
    """By the keyboard alone: opened, searched, chosen; up to six panes."""
    visitor = enter(visit, hall, person(hall, "chat-pick"), "chat/quick")
    page = visitor.page
    page.get_by_role("button", name="Model 1:").focus()
    visitor.press("Enter")
    page.get_by_label("Search models").fill("echo")
    expect(page.get_by_role("listbox", name="Models").get_by_role("option")).to_have_count(1)
    visitor.press("Enter")
    expect(page.get_by_role("button", name="Model 1:")).to_contain_text("echo")
    for _ in range(5):
        visitor.button("Add a model").click()
    expect(visitor.button("Add a model")).to_be_disabled()
    expect(page.locator(".pane")).to_have_count(6)
    say(page, "All of you")
    done(page, 6)


def test_the_playground(visit: Visits, hall: World) -> None:
    """No account, one pane, no files; two a minute, then a clear word and a countdown."""
    hall.house.gateway.limiter = Limiter(Limits(guest_rpm=2))
    visitor = visit(world=hall, width=375)
    visitor.open("/playground")
    page = visitor.page
    expect(page.get_by_role("link", name="Sign up for every model")).to_be_visible()
    assert page.get_by_role("button", name="Attach").count() == 0
    assert page.get_by_role("button", name="Add a model").count() == 0
    for number in (1, 2):
        say(page, f"Question {number}")
        done(page, number)
    visitor.watch.expect("status of 429")
    say(page, "Question 3")
    expect(page.get_by_role("alert")).to_contain_text("requests per minute without a key. The limit is 2")
    expect(page.get_by_text("You may ask again in")).to_be_visible()
    expect(visitor.button("Send")).to_be_disabled()
    [cookie] = [each for each in visitor.context.cookies() if each.get("name") == "tollway-visitor"]
    assert cookie.get("httpOnly")
    assert cookie.get("sameSite") == "Strict"


HOSTILE: list[str] = json.loads((Path(__file__).parent / "hostile.json").read_text("utf-8"))
LOOKED = """() => {
  const all = [...document.querySelectorAll(".turn *")];
  const tags = new Set(["script", "style", "iframe", "object", "embed", "form", "link", "meta", "base", "img", "image",
    "audio", "video", "input", "svg", "template", "x-copy", "x-models"]);
  const shown = (found) => found.map((each) => each.outerHTML);
  const inside = (each, place) => each.closest(place) !== null;
  const bad = (each, name) => name.startsWith("on") || name === "srcset"
    || (["id", "style"].includes(name) && inside(each, ".prose")) || (name.endsWith("href") && inside(each, "math"));
  const leads = (link) => /^(https?|mailto):$/.test(link.protocol) && link.target === "_blank"
    && link.rel === "noopener noreferrer nofollow";
  return {
    ran: Boolean(window.ran),
    forbidden: shown(all.filter((each) => tags.has(each.localName)
      || (each.localName === "math" && !inside(each, "[data-math]")))),
    handlers: all.flatMap((each) => each.getAttributeNames().filter((name) => bad(each, name))),
    links: shown(all.filter((each) => each.localName === "a" && each.hasAttribute("href") && !leads(each))),
    answers: document.querySelectorAll(".answer").length,
  };
}"""


def hostile_file(strings: list[str]) -> dict[str, Any]:
    """A conversation in which every text that a model may say is each of these."""
    turns, active, parent = {}, {}, "root"
    for number, text in enumerate(strings):
        answer = {
            "id": f"a{number}", "model": text, "state": "done", "text": text, "reasoning": text, "provider": text,
            "tools": [{"id": "c", "name": text, "arguments": text}], "sources": [{"url": text, "title": text}],
            "images": [text], "error": {"status": 500, "message": text, "todo": text}, "finish": text,
        }  # fmt: skip
        turns[f"t{number}"] = {
            "id": f"t{number}", "parent": parent, "text": text, "answers": {"p": [answer]}, "chosen": {"p": 0},
            "files": [{"name": text, "type": text, "url": text}],
        }  # fmt: skip
        active[parent] = parent = f"t{number}"
    panes = [{"id": "p", "model": "chat/echo", "system": strings[0], "params": {}}]
    talk = {"id": "hostile", "title": strings[0], "panes": panes, "turns": turns, "active": active}
    return {"format": "tollway-chat", "version": 1, "conversations": [talk]}


def harmless(page: Page, count: int) -> None:
    page.wait_for_timeout(1500)  # for what would load or run late: highlighting, animations, images
    found = page.evaluate(LOOKED)
    assert found == {"ran": False, "forbidden": [], "handlers": [], "links": [], "answers": count}


def test_hostile_answers_do_nothing(visit: Visits, hall: World) -> None:
    """Two hundred strings in every place that a model's words reach: no script, no request, no dialog."""
    assert len(HOSTILE) == len(set(HOSTILE)) >= 200
    visitor = enter(visit, hall, person(hall, "chat-hostile"), "chat/echo")
    page = visitor.page
    page.evaluate("() => { window.hacked = () => { window.ran = true; }; }")
    body = json.dumps(hostile_file(HOSTILE)).encode()
    chooser = page.get_by_label("Files with conversations")
    chooser.set_input_files([FilePayload(name="talk.json", mimeType="application/json", buffer=body)])
    expect(page.locator(".answer")).to_have_count(len(HOSTILE))
    harmless(page, len(HOSTILE))
    assert page.evaluate("document.getElementById('chat').localName") == "div"
    assert page.url.startswith(f"{hall.url}/chat")


MARKDOWN = """A [link](https://a.example/x) and ![a dot](data:image/png;base64,DOT), ![far](https://a.example/f.png).

```python
def add(a: int, b: int) -> int:
    return a + b
```

| a | b |
|---|--:|
| 1 | 2 |

$$\\frac{a}{b} = \\boxed{c}$$ and \\(x^2\\), it costs $5 or $6, $y_1$, $\\nonsense$,
$\\href{javascript:hacked()}{x}$.
"""


def test_markdown(visit: Visits, hall: World) -> None:
    """Code has its language, colours and a button that copies; a picture is shown at a click; links lead away."""
    visitor = enter(visit, hall, person(hall, "chat-markdown"), "chat/echo")
    page = visitor.page
    text = MARKDOWN.replace("DOT", base64.b64encode(PNG).decode())
    file = json.dumps(hostile_file([text])).encode()
    chooser = page.get_by_label("Files with conversations")
    chooser.set_input_files([FilePayload(name="talk.json", mimeType="application/json", buffer=file)])
    prose = page.locator(".prose")
    expect(prose.locator("figcaption span")).to_have_text("python")
    expect(prose.locator("code .hljs-keyword").first).to_have_text("def")
    prose.get_by_role("button", name="Copy").click()
    expect(prose.get_by_role("button", name="Copied")).to_be_visible()
    assert visitor.copied().startswith("def add(a: int, b: int)")
    assert prose.locator("img").count() == 0
    prose.get_by_role("button", name="Show the image: a dot").click()
    expect(prose.get_by_alt_text("a dot")).to_be_visible()
    far = prose.get_by_role("link", name="Image at a.example: far")
    assert (far.get_attribute("target"), far.get_attribute("rel")) == ("_blank", "noopener noreferrer nofollow")
    expect(prose.locator("math")).to_have_count(4)
    expect(prose.locator("math[display=block] mfrac")).to_have_count(1)
    expect(prose.locator("p").last).to_contain_text("it costs $5 or $6,")
    expect(prose.locator("p").last).to_contain_text("\\nonsense")
    assert prose.locator("td").nth(1).evaluate("(cell) => getComputedStyle(cell).textAlign") in ("end", "right")


def test_hostile_streams_do_nothing(visit: Visits, hall: World) -> None:
    """The same as it comes, word by word: each half of a tag is seen on the way."""
    visitor = enter(visit, hall, person(hall, "chat-hostile-b"), "chat/echo")
    page = visitor.page
    page.evaluate("() => { window.hacked = () => { window.ran = true; }; }")
    texts = ["\n\n".join(HOSTILE[start::40]) for start in range(6)]
    for number, text in enumerate(texts, 1):
        say(page, text)
        done(page, number)
    harmless(page, len(texts))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no json", "This file is no JSON"),
        ("{}", "neither an export"),
        ('{"format": "tollway-chat", "version": 9}', "version 9"),
        ('{"format": "tollway-chat", "version": 1}', "holds no conversations"),
        ('{"format": "tollway-chat", "version": 1, "conversations": [3]}', "is none"),
    ],
)
def test_files_that_are_none(visit: Visits, hall: World, text: str, said: str) -> None:
    """What is wrong with a file is told, and nothing changes."""
    user = hall.new_user(f"chat-file-{abs(hash(text))}", Role.OWNER, f"chat-file-{abs(hash(text))}")
    page = enter(visit, hall, user, "chat/quick").page
    chooser = page.get_by_label("Files with conversations")
    chooser.set_input_files([FilePayload(name="x.json", mimeType="application/json", buffer=text.encode())])
    expect(page.get_by_role("alert")).to_contain_text(said)


def test_chatgpt_export(visit: Visits, hall: World) -> None:
    """The branch that was seen last becomes a conversation that goes on."""

    def node(parent: str | None, role: str, text: str) -> dict[str, Any]:
        return {"parent": parent, "message": {"id": text, "author": {"role": role}, "content": {"parts": [text]}}}

    mapping = {
        "a": {"parent": None, "message": None}, "b": node("a", "user", "What is a toll?"),
        "c": node("b", "assistant", "A fee."), "d": node("b", "assistant", "Another answer."),
        "e": node("c", "user", "And a booth?"), "f": node("e", "assistant", "A small house."),
    }  # fmt: skip
    body = json.dumps([{"title": "Tolls", "create_time": 1.7e9, "mapping": mapping, "current_node": "f"}]).encode()
    page = enter(visit, hall, person(hall, "chat-gpt"), "chat/quick").page
    chooser = page.get_by_label("Files with conversations")
    chooser.set_input_files([FilePayload(name="conversations.json", mimeType="application/json", buffer=body)])
    expect(page.get_by_role("heading", name="Tolls")).to_be_visible()
    expect(page.locator(".prose")).to_have_text(["A fee.", "A small house."])
    say(page, "Thanks")
    done(page, 3)
