"""Logs: whatever a log call is given, no key comes out; and a line is one JSON object."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from tollway.identity.keys import PREFIXES, new_secret
from tollway.telemetry.logs import processors, set_up_logs

SECRETS = tuple(new_secret(prefix) for prefix in PREFIXES)
OTHERS = (
    "sk-proj-" + "Ab1_" * 12,
    "sk-ant-api03-" + "Zz9-" * 20 + "AA",
    "gsk_" + "a1B2" * 13,
    "xai-" + "k3Y0" * 20,
    "AIza" + "Sy0_" * 9,
    "hf_" + "qWeR" * 9,
)
"""Providers' keys, as their consoles make them."""


def logged(call: Callable[[Any], object], *, terminal: bool = False) -> str:
    """What a log call writes."""
    out = io.StringIO()
    call(structlog.wrap_logger(structlog.PrintLogger(out), processors=processors(terminal=terminal)))
    return out.getvalue()


class Shown:
    """An object whose repr gives a secret away, as a careless Struct's does."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"Shown(value={self.value!r})"


WRAPPERS: tuple[Callable[[Any], Any], ...] = (
    str,
    repr,
    Shown,
    ValueError,
    lambda value: str(value).encode(),
    lambda value: [1, value],
    lambda value: (value,),
    lambda value: {"inside": value},
    lambda value: {str(value): 1},
)


@st.composite
def planted(draw: st.DrawFn) -> tuple[str, Any]:
    """A secret, and a value of any shape with it somewhere inside."""
    secret = draw(st.sampled_from(SECRETS))
    value: Any = draw(st.text(max_size=5)) + secret + draw(st.text(max_size=5))
    for wrap in draw(st.lists(st.sampled_from(WRAPPERS), max_size=3)):
        value = wrap(value)
    return secret, value


@settings(max_examples=300, deadline=None)
@given(planted(), st.booleans(), st.sampled_from(["note", "error", "event"]))
def test_no_key_of_ours_in_any_field(field: tuple[str, Any], terminal: bool, name: str) -> None:
    """In a text, a list, a dict, bytes, an exception, a name: a key never appears, in JSON nor on a terminal."""
    secret, value = field

    def call(log: Any) -> None:
        if name == "event":
            log.warning(str(value))
        else:
            log.warning("something happened", **{name: value})

    line = logged(call, terminal=terminal)
    assert secret not in line
    assert secret[-20:] not in line
    assert "[key]" in line


@settings(max_examples=200, deadline=None)
@given(planted())
def test_a_line_stays_one_json_object(field: tuple[str, Any]) -> None:
    """Taking keys out breaks no line."""
    line = logged(lambda log: log.error("x", value=field[1], header=f"Bearer {field[0]}"))
    assert line.count("\n") == 1
    found = json.loads(line)
    assert (found["event"], found["level"]) == ("x", "error")
    assert found["header"] == "[key]"


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("secret", SECRETS, ids=PREFIXES)
def test_no_key_in_a_traceback(secret: str, terminal: bool) -> None:
    """The message of an exception is redacted, and local variables are not shown at all."""

    def call(log: Any) -> None:
        prompt = "a prompt that nobody may read"
        try:
            raise ValueError(f"bad key {secret}")
        except ValueError:
            log.exception("failed", size=len(prompt))

    line = logged(call, terminal=terminal)
    assert "ValueError: bad key [key]" in line
    assert secret not in line
    assert "nobody may read" not in line.replace('prompt = "a prompt that nobody may read"', "")


@pytest.mark.parametrize("secret", OTHERS)
def test_no_key_of_a_provider(secret: str) -> None:
    """The keys that we hold for providers are known by their beginnings."""
    line = logged(lambda log: log.warning("refused", message=f"Incorrect API key provided: {secret}."))
    assert secret not in line
    assert "Incorrect API key provided: [key]" in line


@pytest.mark.parametrize("carried", ["Bearer abc", "bearer  x.y.z", "BEARER dG9rZW4="])
def test_no_bearer_of_any_kind(carried: str) -> None:
    """What follows the word Bearer is a secret, whatever it looks like."""
    line = logged(lambda log: log.warning("sent", headers={"authorization": carried}))
    assert carried.split()[-1] not in line


@pytest.mark.parametrize(
    "text", ["a task-list", "sk-or-v1-abc...xyz", "gen-1763700000-AbCdEfGhIjKlMnOpQrSt", "the bearer", "desk-1"]
)
def test_what_is_no_key_stays(text: str) -> None:
    """Labels, ids and words are what logs are read for."""
    assert json.loads(logged(lambda log: log.warning("x", value=text)))["value"] == text


def test_set_up(capsys: pytest.CaptureFixture[str]) -> None:
    """After the set-up logs go to standard error, from the level on that was asked for, with time and level."""
    before = structlog.get_config()
    try:
        set_up_logs("warning")
        log = structlog.get_logger("test")
        log.info("too quiet")
        log.error("loud", key=SECRETS[0], port=8080)
    finally:
        structlog.configure(**before)
    captured = capsys.readouterr()
    found = json.loads(captured.err)
    assert (found["event"], found["level"], found["key"], found["port"]) == ("loud", "error", "[key]", 8080)
    assert found["timestamp"].endswith("Z")
    assert captured.out == ""


def test_a_level_that_is_none() -> None:
    """A misspelt level does not start silently."""
    with pytest.raises(KeyError):
        set_up_logs("loud")
