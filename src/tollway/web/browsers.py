"""What a browser calls itself, in two words that its user knows: Firefox on Linux."""

BROWSERS = (
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("HeadlessChrome", "Chromium"),
    ("Chrome", "Chrome"),
    ("CriOS", "Chrome"),
    ("Safari", "Safari"),
)
"""A part of the `User-Agent` -> the name. The first that is found counts: most name Chrome or Safari as well."""

SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)

UNKNOWN = "a browser without a name"
AGENT_MAX = 60
"""Characters of what is not known: programs name themselves, too."""


def described(user_agent: str | None) -> str:
    """A `User-Agent` header -> its browser and system; of another program, what it says first."""
    said = (user_agent or "").strip()
    browser = next((name for part, name in BROWSERS if f"{part}/" in said), "")
    system = next((name for part, name in SYSTEMS if part in said), "")
    if not browser:
        return said.partition(" ")[0][:AGENT_MAX] or UNKNOWN
    return f"{browser} on {system}" if system else browser
