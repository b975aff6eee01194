"""What no page may do, watched from outside: a breach of its policy, an error, a dialog, a request to elsewhere."""

import re
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Request, WebError

TELL = "tollwayTold"
"""The function through which a page tells of itself; it outlives the page."""
LISTEN = f"""
addEventListener("securitypolicyviolation", (event) =>
  window.{TELL}(`${{event.violatedDirective}} ${{event.blockedURI}} ${{event.sample}} at ${{event.sourceFile}}`));
globalThis.shifted = 0;
new PerformanceObserver((list) => {{
  for (const each of list.getEntries()) if (!each.hadRecentInput) globalThis.shifted += each.value;
}}).observe({{ type: "layout-shift", buffered: true }});
"""


class Watch:
    """The complaints about one context. Each must be expected by the test, or none."""

    def __init__(self, context: BrowserContext, origins: tuple[str, ...]) -> None:
        self._complaints: list[str] = []
        self._expected: list[str] = []
        self._origins = set(origins)
        context.expose_binding(TELL, lambda _, told: self._complain(f"policy: {told}"))
        context.add_init_script(LISTEN)
        context.on("console", self._on_console)
        context.on("weberror", self._on_error)
        context.on("dialog", self._on_dialog)
        context.on("request", self._on_request)

    def expect(self, pattern: str) -> None:
        """A complaint that this regular expression finds is what the test wants to see."""
        self._expected.append(pattern)

    def allow(self, origin: str) -> None:
        """Requests to this origin are part of the journey: an app that asks for a key, a checkout."""
        self._origins.add(origin)

    def complaints(self) -> list[str]:
        """What nobody expected."""
        return [each for each in self._complaints if not any(re.search(one, each) for one in self._expected)]

    def _complain(self, text: str) -> None:
        self._complaints.append(text)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self._complain(f"console {message.type}: {message.text} at {message.location.get('url', '')}")

    def _on_error(self, error: WebError) -> None:
        self._complain(f"error: {error.error}")

    def _on_dialog(self, dialog: Dialog) -> None:
        self._complain(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _on_request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in {"data", "blob"} and f"{parts.scheme}://{parts.netloc}" not in self._origins:
            self._complain(f"foreign: {request.method} {request.url}")
