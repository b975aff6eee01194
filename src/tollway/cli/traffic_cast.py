"""Who is in the demo's month of traffic: workspaces, keys, apps, the models they like, and when they work."""

from typing import Literal

from msgspec import Struct

Rhythm = Literal["office", "evening", "night", "always"]

HOURS: dict[Rhythm, tuple[float, ...]] = {
    "office": (0.1,) * 6 + (0.4, 1, 2.5, 4, 4.5, 4, 2.6, 3.6, 4.4, 4.2, 3.4, 2, 1, 0.6, 0.4, 0.3, 0.2, 0.1),
    "evening": (1.2, 0.6, 0.3, 0.2, 0.2, 0.3, 0.8, 1.2, 1.3, 1.2, 1.3, 1.5, 1.8, 1.6, 1.4, 1.5, 1.8, 2.4, 3.2, 4, 4.4,
                4.2, 3.2, 2),
    "night": (2, 6, 8, 7, 3, 1) + (0.05,) * 17 + (0.6,),
    "always": (1.6, 1.4, 1.3, 1.2, 1.2, 1.4, 1.7, 2, 2.3, 2.5, 2.6, 2.6, 2.5, 2.6, 2.7, 2.7, 2.6, 2.5, 2.4, 2.3, 2.2,
               2.1, 1.9, 1.7),
}  # fmt: skip
"""Weights of the hours of a day (UTC)."""
WEEKEND: dict[Rhythm, float] = {"office": 0.12, "evening": 1.2, "night": 0.85, "always": 0.65}
"""What a Saturday has, of a weekday."""


class Place(Struct, frozen=True):
    """A workspace. `own`: the admin's personal one, which is there already."""

    slug: str
    name: str
    buys_usd: int
    """What it buys when little is left."""
    owner: str = "ada"


class Person(Struct, frozen=True):
    """A user, with a role in some workspaces."""

    name: str
    email: str
    roles: dict[str, Literal["admin", "member"]] = {}


class Habit(Struct, frozen=True):
    """A key, and how it is used."""

    place: str
    name: str
    models: dict[str, float]
    """Model -> weight. Those that the market lacks are passed over."""
    daily: float
    """Requests of a weekday, in the middle of the month."""
    rhythm: Rhythm = "office"
    app: tuple[str, str] | None = None
    """Title and site."""
    prompt: int = 900
    """The median prompt's tokens."""
    answer: int = 260
    cached: float = 0.0
    """How often the beginning of the prompt was in the provider's cache."""
    tools: float = 0.0
    """How often the answer is a call of a tool."""
    streams: bool = True
    from_day: int = 0
    """Of the month, on which it was made."""
    limit_usd: int | None = None
    private: bool = False
    """Only providers that do not train on prompts."""
    who: str = "ada"
    agent: str = "openai-python/2.8.1"
    origin: str = "/api/v1/chat/completions"
    api_type: str = "completions"


TRUSTED = frozenset(
    {
        "openai", "anthropic", "google-vertex", "google", "amazon-bedrock", "azure", "deepinfra", "togetherai",
        "fireworks-ai", "groq", "cerebras", "novita-ai", "mistral", "moonshotai", "deepseek", "zai", "minimax", "xai",
        "nebius", "siliconflow", "baseten", "cohere",
    }
)  # fmt: skip
"""Providers that the month's requests go to, where one of them has the model: a house has keys of some, not of all."""

PLACES = (
    Place("own", "", 50),
    Place("harbour-labs", "Harbour Labs", 100),
    Place("north-pier", "North Pier Support", 40),
    Place("lantern", "Lantern Press", 25, owner="ines"),
)

PEOPLE = (
    Person("Ines Moreau", "ines@lantern.example", {"harbour-labs": "member"}),
    Person("Tomas Lindqvist", "tomas@harbour.example", {"harbour-labs": "admin", "north-pier": "member"}),
    Person("Wren Okafor", "wren@harbour.example", {"harbour-labs": "member"}),
)

HABITS = (
    Habit("own", "laptop", {"anthropic/claude-sonnet-4.6": 5, "openai/gpt-5.4": 3, "deepseek/deepseek-v4-pro": 1}, 60,
          "evening", ("Quill Editor", "https://quill.example"), 3_200, 620, cached=0.6, tools=0.25,
          agent="quill/1.14", origin="/api/v1/messages", api_type="messages"),
    Habit("own", "notes app", {"openai/gpt-5-mini": 4, "google/gemini-2.5-flash": 3, "openai/gpt-4o-mini": 3}, 110,
          "evening", ("Marginalia", "https://marginalia.example"), 1_400, 210, cached=0.15, limit_usd=20),
    Habit("own", "photo captions", {"google/gemini-2.5-flash": 6, "openai/gpt-4o-mini": 2}, 45, "night",
          ("Darkroom", "https://darkroom.example"), 1_150, 90, streams=False),
    Habit("own", "experiments", {"moonshotai/kimi-k2.5": 2, "z-ai/glm-5": 2, "qwen/qwen3-coder": 2, "x-ai/grok-4": 1,
                                 "minimax/minimax-m2.5": 1, "mistralai/mistral-large-2512": 1}, 26, "evening",
          None, 1_800, 700, from_day=12),
    Habit("harbour-labs", "ci reviewer", {"anthropic/claude-opus-4.6": 2, "openai/gpt-5.3-codex": 3,
                                          "qwen/qwen3-coder": 2}, 70, "office",
          ("Breakwater CI", "https://breakwater.example"), 6_800, 850, cached=0.7, tools=0.5, who="tomas",
          agent="breakwater/3.2"),
    Habit("harbour-labs", "agents (staging)", {"anthropic/claude-sonnet-4.6": 4, "z-ai/glm-5.1": 3,
                                               "deepseek/deepseek-v3.2": 2}, 130, "always",
          ("Tidewater Agents", "https://tidewater.example"), 4_500, 380, cached=0.8, tools=0.7, who="tomas",
          from_day=6),
    Habit("harbour-labs", "nightly evals", {"openai/gpt-oss-120b": 3, "meta-llama/llama-3.3-70b-instruct": 3,
                                            "qwen/qwen3-235b-a22b-2507": 2, "deepseek/deepseek-chat-v3.1": 2}, 150,
          "night", ("Sounding", "https://sounding.example"), 700, 340, streams=False, who="wren", limit_usd=40),
    Habit("harbour-labs", "search index", {"openai/text-embedding-3-small": 4, "baai/bge-m3": 1}, 60, "always",
          ("Sounding", "https://sounding.example"), 2_400, 0, streams=False, who="wren", origin="/api/v1/embeddings",
          api_type="embeddings"),
    Habit("north-pier", "helpdesk", {"openai/gpt-4o-mini": 5, "anthropic/claude-haiku-4.5": 3,
                                     "google/gemini-2.5-flash-lite": 2}, 190, "always",
          ("Pier Helpdesk", "https://pier.example"), 1_900, 170, cached=0.55, tools=0.2, private=True, who="tomas"),
    Habit("north-pier", "triage", {"meta-llama/llama-3.1-8b-instruct": 5, "mistralai/mistral-nemo": 2}, 140, "office",
          ("Pier Helpdesk", "https://pier.example"), 420, 30, streams=False, who="tomas"),
    Habit("lantern", "translations", {"google/gemini-2.5-pro": 3, "openai/gpt-5.1": 2,
                                      "mistralai/mistral-large-2512": 1}, 36, "office",
          ("Lantern Desk", "https://lantern.example"), 5_200, 2_100, who="ines", from_day=3),
    Habit("lantern", "headlines", {"openai/gpt-5-nano": 3, "moonshotai/kimi-k2": 1}, 40, "office",
          ("Lantern Desk", "https://lantern.example"), 640, 60, who="ines", from_day=3),
)  # fmt: skip
