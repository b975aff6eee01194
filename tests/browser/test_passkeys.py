"""A passkey in a real browser, with Chromium's virtual authenticator: made, signed in by, offered, refused."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import CDPSession, expect

from tests.browser.examine import overflow, settle, violations
from tests.browser.visitor import Visitor, Visits
from tests.support import World, world
from tollway.config import Server
from tollway.domain.people import Role, User


@pytest.fixture(scope="module")
def named() -> Iterator[World]:
    """A server that is reached by a name: browsers make no passkeys for 127.0.0.1."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with world(server=Server(port=port, public_url=f"http://localhost:{port}")) as it:
        yield it


def arrived(visit: Visits, named: World, user: User | None = None) -> Visitor:
    return visit(user, world=named, url=named.house.config.public_url)


class Device:
    """The page's virtual authenticator (CDP, WebAuthn domain): a phone with a fingerprint reader."""

    def __init__(self, visitor: Visitor) -> None:
        self._session: CDPSession = visitor.context.new_cdp_session(visitor.page)
        self._session.send("WebAuthn.enable")
        made = self._session.send("WebAuthn.addVirtualAuthenticator", {"options": OPTIONS})
        self.id: str = made["authenticatorId"]

    def credentials(self) -> list[dict[str, Any]]:
        return list(self._session.send("WebAuthn.getCredentials", {"authenticatorId": self.id})["credentials"])

    def recognise(self, right: bool) -> None:
        """Whether the finger is its owner's."""
        self._session.send("WebAuthn.setUserVerified", {"authenticatorId": self.id, "isUserVerified": right})

    def forget(self, credential: str) -> None:
        body = {"authenticatorId": self.id, "credentialId": credential}
        self._session.send("WebAuthn.removeCredential", body)


OPTIONS = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


OFFERS_NOTHING = "PublicKeyCredential.isConditionalMediationAvailable = async () => false"
"""A browser that has passkeys, but does not offer them in fields: only the button signs in."""


def test_a_passkey_in_a_browser(named: World, visit: Visits) -> None:
    """Made on the account page, then enough to sign in; a second one is refused in words, and so is another finger."""
    visitor = arrived(visit, named, named.new_user("fingers", Role.OWNER))
    page, device = visitor.page, Device(visitor)
    page.add_init_script(OFFERS_NOTHING)
    visitor.open("/account")
    visitor.enter("Add a passkey", {"Name of the new passkey": "my phone"})
    visitor.sees("never used")
    expect(visitor.field("Name of the passkey")).to_have_value("my phone")
    [credential] = device.credentials()
    assert (credential["rpId"], credential["isResidentCredential"]) == ("localhost", True)
    settle(page)
    assert violations(page) == []
    assert overflow(page) == []
    visitor.button("Add a passkey").click()
    visitor.sees("This device has a passkey for your account already.")

    visitor.button("Sign out").click()
    expect(visitor.button("Sign in with a passkey")).to_be_visible()
    settle(page)
    assert violations(page) == []
    device.recognise(False)
    visitor.button("Sign in with a passkey").click()
    visitor.sees("Nothing was done")
    device.recognise(True)
    page.goto("/sign-in?next=/keys")
    visitor.button("Sign in with a passkey").click()
    page.wait_for_url(f"{named.house.config.public_url}/keys")
    settle(page)
    visitor.open("/account")
    visitor.sees(", used ")


def test_what_the_field_offers(named: World, visit: Visits) -> None:
    """The browser has the passkey among what it fills in; who chooses it is signed in, without the button."""
    visitor = arrived(visit, named, named.new_user("offered", Role.OWNER))
    page, _ = visitor.page, Device(visitor)
    visitor.open("/account")
    visitor.enter("Add a passkey", {"Name of the new passkey": "my phone"})
    visitor.sees("never used")
    visitor.button("Sign out").click()
    page.wait_for_url(f"{named.house.config.public_url}/overview")
    settle(page)


def test_a_passkey_that_is_gone(named: World, visit: Visits) -> None:
    """Removed here, it stays on the device, which shows it: the page says that it signs nobody in."""
    visitor = arrived(visit, named, named.new_user("gone", Role.OWNER))
    page, device = visitor.page, Device(visitor)
    page.add_init_script(OFFERS_NOTHING)
    visitor.open("/account")
    visitor.enter("Add a passkey", {"Name of the new passkey": "one"})
    visitor.sees("Remove “one”")
    [first] = device.credentials()
    device.forget(first["credentialId"])
    visitor.enter("Add a passkey", {"Name of the new passkey": "other"})
    page.get_by_text("Remove “other”…").click()
    visitor.button("Remove the passkey").click()
    expect(page.get_by_text("Remove “other”…")).to_have_count(0)
    visitor.watch.expect("status of 40[01]")
    page.get_by_text("Remove “one”…").click()
    visitor.button("Remove the passkey").click()
    visitor.sees("You could not sign in any more")
    visitor.button("Sign out").click()
    visitor.button("Sign in with a passkey").click()
    visitor.sees("does not sign you in here")
    assert "/sign-in" in page.url
