"""A forgotten password: a letter to who is here, the same answer for everybody, a link that works once, for an hour."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.api.browsing import Browser
from tests.support import Answer, World, offer, request, world
from tests.upstream.mail_server import MailServer
from tollway.domain.errors import NotFound
from tollway.domain.mail import MailSettings
from tollway.domain.people import Role
from tollway.identity.actors import OPERATOR

PATIENCE_S = 10.0
PASSWORD = "correct horse battery"


@contextmanager
def serving(mail: MailServer) -> Iterator[World]:
    """A world whose operator has this mail server."""
    settings = MailSettings(host="127.0.0.1", port=mail.port, starttls=False, sender="tollway@example.net")
    with world(offer("test/model"), settings={"mail": settings}) as it:
        yield it


@pytest.fixture(scope="module")
def town() -> Iterator[tuple[World, MailServer]]:
    mail = MailServer()
    with world(offer("test/model")) as around:
        open_ = mail.listening()
        around.run(open_.__aenter__())
        with serving(mail) as it:
            yield it, mail
        around.run(open_.__aexit__(None, None, None))


def ask(town: World, email: str) -> Answer:
    browser = Browser(town)
    return browser.submit(browser.get("/forgot"), "/forgot", email=email)


def letter(mail: MailServer, number: int) -> tuple[str, str]:
    """To whom, and the secret of its link; it comes after the answer."""
    until = time.monotonic() + PATIENCE_S
    while len(mail.letters) < number and time.monotonic() < until:
        time.sleep(0.02)
    _, to, found = mail.letters[number - 1]
    payload = found.get_payload(decode=True)
    assert isinstance(payload, bytes)
    [token] = re.findall(r"/password#(\S+)", payload.decode())
    return to, token


def choose(town: World, token: str) -> Answer:
    browser = Browser(town)
    return browser.submit(browser.get("/password"), "/password", token=token, new=PASSWORD)


def test_a_link_that_works_once(town: tuple[World, MailServer]) -> None:
    """From the page where one signs in to a new password; who is kept out sees the same, and gets nothing."""
    it, mail = town
    user = it.new_user("forgetful", Role.OWNER, "forgetful")
    kept_out = it.new_user("kept-out", Role.OWNER, "kept-out")
    it.run(it.house.users.disable(OPERATOR, kept_out.id, it.house.gateway.now_ms()))
    assert '/forgot"' in Browser(it).get("/sign-in").text
    answers = [
        ask(it, email) for email in ("nobody@example.com", kept_out.email, "no address", f" {user.email.upper()} ")
    ]
    assert {(each.status, each.text) for each in answers} == {(200, answers[0].text)}
    to, token = letter(mail, 1)
    assert to == user.email
    assert token not in answers[3].text
    assert choose(it, token).status == 303
    body = {"email": user.email, "password": PASSWORD}
    headers = {"sec-fetch-site": "same-origin"}
    assert request(it.url, "POST", "/account/v1/sign-in", body, headers=headers).status == 200
    assert choose(it, token).status == 404
    assert len(mail.letters) == 1


def test_it_is_over_after_an_hour(town: tuple[World, MailServer]) -> None:
    it, mail = town
    user, number = it.new_user("slow", Role.OWNER, "slow"), len(mail.letters) + 1
    assert ask(it, user.email).status == 200
    token = letter(mail, number)[1]
    later_ms = it.house.gateway.now_ms() + 3_600_001
    with pytest.raises(NotFound, match="used or over"):
        it.run(it.house.people.reset_password(token, PASSWORD, later_ms))
    assert choose(it, token).status == 303


def test_a_letter_that_is_not_taken(town: tuple[World, MailServer]) -> None:
    """The answer is the same; who asks again is sent another link."""
    it, mail = town
    user, number = it.new_user("unlucky", Role.OWNER, "unlucky"), len(mail.letters) + 1
    mail.refuses = 1
    refused = ask(it, user.email)
    until = time.monotonic() + PATIENCE_S
    while mail.refuses and time.monotonic() < until:
        time.sleep(0.02)
    again = ask(it, user.email)
    assert (refused.status, again.text) == (200, refused.text)
    assert letter(mail, number)[0] == user.email
    assert len(mail.letters) == number


def test_who_asks_too_often(town: tuple[World, MailServer]) -> None:
    """Five for an address in 15 minutes, whether anybody has it or not; signing in is not hindered by that."""
    it, _ = town
    user = it.new_user("asked-for", Role.OWNER, "asked-for")
    for email in ("stranger@example.com", user.email):
        assert [ask(it, email).status for _ in range(6)] == [200] * 5 + [429]
    wrong = {"email": user.email, "password": "not the right one"}
    headers = {"sec-fetch-site": "same-origin"}
    assert request(it.url, "POST", "/account/v1/sign-in", wrong, headers=headers).status == 401


def test_from_another_site(town: tuple[World, MailServer]) -> None:
    sent = Browser(town[0]).post("/forgot", {"sec-fetch-site": "cross-site"}, email="a@example.com")
    assert sent.status == 403


def test_without_mail(well: World) -> None:
    """It is not offered, and says whom to ask."""
    browser = Browser(well)
    assert "/forgot" not in browser.get("/sign-in").text
    assert "sends no mail" in browser.get("/forgot").text
    assert browser.post("/forgot", email="a@example.com").status == 404
