"""Fixtures of the tests of the gateway."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.gateway.town import Town


@pytest.fixture(scope="package")
def town() -> Iterator[Town]:
    """Servers that table tests share."""
    with ExitStack() as stack:
        yield Town(stack)
