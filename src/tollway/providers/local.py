"""Servers that people run themselves, each at the address where it listens by its own default. None needs a key."""

from tollway.domain.quirks import Quirks
from tollway.providers.base import Provider

LOCAL = (
    Provider(slug="ollama", name="Ollama", base_url="http://127.0.0.1:11434/v1", listed=True),
    Provider(
        slug="vllm",
        name="vLLM",
        base_url="http://127.0.0.1:8000/v1",
        listed=True,
        # docs.vllm.ai, "OpenAI-Compatible Server": extra parameters of chat.
        quirks=Quirks(prefill="continue", reasoning_style="chat_template_kwargs"),
    ),
    Provider(slug="lmstudio", name="LM Studio", base_url="http://127.0.0.1:1234/v1", listed=True),
    Provider(slug="llamacpp", name="llama.cpp", base_url="http://127.0.0.1:8080/v1", listed=True),
)
