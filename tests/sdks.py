"""The makers' own packages as clients of a `World`, with the tests' patience: by itself `openrouter` waits 5 s."""

from openrouter import OpenRouter, utils

from tests.support import PATIENCE_S, Secret, World

_NEVER = utils.RetryConfig("none", utils.BackoffStrategy(1, 1, 1, 1), False)


def openrouter(world: World, key: Secret | None = None) -> OpenRouter:
    """`key`: the world's own, unless another is given. Nothing is tried twice."""
    return OpenRouter(
        api_key=(key or world.key).secret,
        server_url=f"{world.url}/api/v1",
        retry_config=_NEVER,
        timeout_ms=int(PATIENCE_S * 1000),
    )
