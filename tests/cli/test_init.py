"""`tollway init`: the file that it writes is complete, loads, and offers what is there already."""

import re
import socket
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.cli.desk import Desk
from tollway.cli.init import EXPLAINED, init
from tollway.config import Config, ConfigError, ModelConfig, ProviderConfig, load
from tollway.storage.files import Control, write_control

NOTHING: dict[int, tuple[str, str]] = {}


def options(struct: Any, place: str) -> Iterator[str]:
    """The path of every option of config.py, as the file has it."""
    for field in msgspec.structs.fields(struct):
        yield f"{place}.{field.name}"


def every_option() -> set[str]:
    """All options: the sections, and the blocks of providers and of their models."""
    found = set(options(ProviderConfig, "providers")) | set(options(ModelConfig, "providers.models"))
    for section in msgspec.structs.fields(Config):
        if section.name not in ("environment", "providers"):
            found |= set(options(section.type, section.name))
    return found


def test_every_option_is_in_the_file_and_explained(bare_desk: Desk) -> None:
    """Each option of config.py stands in the file with a value and a word, and nothing stands there that is none."""
    assert set(EXPLAINED) == every_option()
    init(bare_desk.file, force=True, environment={}, ports=NOTHING)
    found: set[str] = set()
    place = ""
    for line in bare_desk.file.read_text().splitlines():
        if header := re.fullmatch(r"(?:# )?\[+([a-z.]+)\]+", line):
            place = header.group(1)
        elif option := re.fullmatch(r"# ([a-z_0-9]+ = .+?)  +# .+", line):
            [(name, _)] = tomllib.loads(option.group(1)).items()
            found.add(f"{place}.{name}")
    assert found == every_option()


def test_defaults_in_the_file_are_the_defaults(bare_desk: Desk) -> None:
    """The file as it is changes nothing; and a default that it shows, uncommented, is the default."""
    init(bare_desk.file, force=True, environment={}, ports=NOTHING)
    assert load(bare_desk.file, {}) == Config(environment={})
    text = bare_desk.file.read_text()
    for shown in ("port = 8080", "shutdown_grace_s = 30.0", "attempts_max = 4", 'host = "127.0.0.1"'):
        assert f"# {shown} " in text
        text = text.replace(f"# {shown} ", f"{shown} ")
    bare_desk.file.write_text(text)
    assert load(bare_desk.file, {}) == Config(environment={})


def test_keys_in_the_environment_become_blocks(bare_desk: Desk) -> None:
    """Providers whose variable is set are written, by the variable's name and never its value; others are not."""
    environment = {
        "OPENAI_API_KEY": "sk-secret-1",
        "GROQ_API_KEY": "sk-secret-2",
        "DASHSCOPE_API_KEY": "sk-secret-3",
        "AZURE_API_KEY": "sk-secret-4",
        "MISTRAL_API_KEY": "",
    }
    init(bare_desk.file, force=True, environment=environment, ports=NOTHING)
    text = bare_desk.file.read_text()
    assert "sk-secret" not in text
    config = load(bare_desk.file, environment)
    assert {each.slug: each.key for each in config.providers} == {
        "openai": "sk-secret-1",
        "groq": "sk-secret-2",
        "alibaba": "sk-secret-3",
    }
    # Azure's address needs a name that is not set; a variable that two providers share counts for one.
    assert '# slug = "alibaba-cn"' in text
    said = bare_desk.said()
    assert "found: OpenAI: OPENAI_API_KEY is set" in said
    assert said.endswith(f"Next: tollway serve --config {bare_desk.file}")


def test_aws_keys_stay_in_their_variables(bare_desk: Desk) -> None:
    """A credential of several variables can't be written as one: the block names the provider alone."""
    environment = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "hush", "AWS_REGION": "us-east-1"}
    init(bare_desk.file, force=True, environment=environment, ports=NOTHING)
    provider = next(each for each in load(bare_desk.file, environment).providers if each.slug == "amazon-bedrock")
    assert provider.key is None


def test_local_servers_become_blocks(bare_desk: Desk) -> None:
    """What listens on a known port is offered, and nothing else; where it has our port, we take the next one."""
    with socket.create_server(("127.0.0.1", 0)) as there:
        port = there.getsockname()[1]
        with socket.create_server(("127.0.0.1", 0)) as gone:
            closed = gone.getsockname()[1]
        ports = {port: ("ollama", "Ollama"), closed: ("vllm", "vLLM")}
        init(bare_desk.file, force=True, environment={}, ports=ports)
    [block] = load(bare_desk.file, {}).providers
    assert (block.slug, block.base_url, block.free) == ("ollama", f"http://127.0.0.1:{port}/v1", True)
    assert load(bare_desk.file, {}).server.port == 8080


def test_our_own_server_is_not_taken_for_another(bare_desk: Desk) -> None:
    """The note in the data directory tells that it is we who listen there."""
    with socket.create_server(("127.0.0.1", 0)) as there:
        port = there.getsockname()[1]
        bare_desk.data.mkdir()
        write_control(bare_desk.data, Control(f"http://127.0.0.1:{port}", "token", 1))
        environment = {"TOLLWAY_STORAGE__DATA_DIR": str(bare_desk.data)}
        init(bare_desk.file, force=True, environment=environment, ports={port: ("llamacpp", "llama.cpp")})
    assert load(bare_desk.file, {}).providers == ()


def test_a_file_is_not_overwritten(bare_desk: Desk, tmp_path: Path) -> None:
    """Only --force replaces a file, also one that would not load; without providers it says what to set."""
    bare_desk.file.write_text("[broken")
    with pytest.raises(ConfigError, match=r"is there already; `tollway init .* --force` replaces it"):
        init(bare_desk.file, force=False, environment={}, ports=NOTHING)
    assert bare_desk.file.read_text() == "[broken"
    init(bare_desk.file, force=True, environment={}, ports=NOTHING)
    assert load(bare_desk.file, {}).providers == ()
    assert "export OPENAI_API_KEY=..." in bare_desk.said()
    init(Path("tollway.toml").resolve().parent / "new" / "t.toml", force=False, environment={}, ports=NOTHING)
    assert (tmp_path / "new" / "t.toml").exists()
    bare_desk.said()
    bare_desk.file.unlink()
    init(Path("tollway.toml"), force=False, environment={}, ports=NOTHING)
    assert bare_desk.said().endswith("Next: tollway serve")
