"""Every page of the site: its route, a URL of it, who sees it. Tests of each page and `make screenshots` walk this."""

from typing import Literal

from msgspec import Struct

Who = Literal["anyone", "person", "admin"]
KIB = 1024
CHALLENGE = "code_challenge=" + "c" * 43 + "&code_challenge_method=S256"


class Listed(Struct, frozen=True):
    """A page."""

    route: str
    """As the URL table has it: `/models/{model:path}`."""
    at: str = ""
    """Where to look at it, if the route has parameters or says little without a query. `{order}`: see `places`."""
    who: Who = "anyone"
    weight_max: int = 150 * KIB
    """Bytes of HTML, CSS and JavaScript, as they travel."""
    status: int = 200
    spared: tuple[str, ...] = ()
    """Rules of axe-core that it may break, because somebody else's HTML does."""

    @property
    def url(self) -> str:
        return self.at or self.route

    @property
    def name(self) -> str:
        """Fit for a file."""
        return self.route.strip("/").replace("/", "-").replace("{", "").replace("}", "").replace(":path", "") or "home"


PAGES = (
    Listed("/"),
    Listed("/models"),
    Listed("/models/{model:path}", "/models/openai/gpt-4o-mini"),
    Listed("/compare", "/compare?model=openai/gpt-4o-mini&model=openai/gpt-4o"),
    Listed("/explore", "/explore?model=openai/gpt-4o-mini"),
    Listed("/providers"),
    Listed("/pricing"),
    Listed("/rankings"),
    Listed("/status"),
    Listed("/docs"),
    Listed("/docs/{page:path}", "/docs/clients"),
    Listed("/docs/api", weight_max=650 * KIB, spared=("nested-interactive",)),  # Swagger UI's buttons in its summaries
    Listed("/setup"),
    Listed("/sign-up"),
    Listed("/sign-in"),
    Listed("/join"),
    Listed("/password"),
    Listed("/forgot"),
    Listed("/auth", f"/auth?callback_url=http://localhost:3000/back&{CHALLENGE}", "person"),
    Listed("/chat", who="person", weight_max=250 * KIB),
    Listed("/playground", weight_max=250 * KIB),
    Listed("/keys", who="person"),
    Listed("/credits", who="person"),
    Listed("/credits/history", who="person"),
    Listed("/credits/receipts/{id}", "/credits/receipts/{order}", "person"),
    Listed("/account", who="person"),
    Listed("/overview", who="person"),
    Listed("/activity", who="person"),
    Listed("/logs", who="person"),
    Listed("/logs/{id}", "/logs/{generation}", who="person"),
    Listed("/alerts", who="person"),
    Listed("/workspace", who="person"),
    Listed("/byok", who="person"),
    Listed("/guardrails", who="person"),
    Listed("/guardrails/{id}", "/guardrails/{guardrail}", who="person"),
    Listed("/presets", who="person"),
    Listed("/presets/{slug}", "/presets/{preset}", who="person"),
    Listed("/keys/{id}", "/keys/{key}", who="person"),
    Listed("/preferences", who="person"),
    Listed("/privacy", who="person"),
    Listed("/admin", who="admin"),
    Listed("/admin/usage", who="admin"),
    Listed("/admin/providers", who="admin"),
    Listed("/admin/providers/{slug}", "/admin/providers/a", "admin"),
    Listed("/admin/setup", "/admin/setup?step=provider", "admin"),
    Listed("/admin/prices", who="admin"),
    Listed("/admin/prices/endpoint", "/admin/prices/endpoint?id=openai:gpt-4o-mini", "admin"),
    Listed("/admin/prices/diff", who="admin"),
    Listed("/admin/aliases", who="admin"),
    Listed("/admin/payments", who="admin"),
    Listed("/admin/codes", who="admin"),
    Listed("/admin/audit", who="admin"),
    Listed("/admin/ledger", who="admin"),
    Listed("/admin/jobs", who="admin"),
    Listed("/admin/site", who="admin"),
    Listed("/admin/settings", who="admin"),
    Listed("/admin/users", who="admin"),
    Listed("/admin/users/{id}", "/admin/users/proof-person@example.com", "admin"),
    Listed("/{path:path}", "/no/such/page", status=404),
)  # fmt: skip

NOT_PAGES = {
    "/favicon.svg": "an image",
    "/robots.txt": "for robots",
    "/static/{version}/{name:path}": "files",
    "/status.atom": "a feed",
    "/status.svg": "an image",
    "/llms.txt": "for programs that read",
    "/docs/images/{name}": "an image",
    "/models.json": "data",
    "/models.csv": "data",
    "/sign-in/{slug}": "leads away at once",
    "/sign-in/{slug}/callback": "leads back at once",
}
"""Routes of the site that answer with something else, and what that is. A page's own .csv and .json need no line."""
