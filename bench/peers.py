"""The peers, each from its own registry under .bench/ (`make bench-peers`), with nothing switched on."""

import shutil
import time
from importlib.metadata import distributions
from pathlib import Path

import msgspec

from bench import payload
from bench.gateway import Address, Gateway, launch
from bench.processes import ROOT, Absent, Failed, Processes, free_port, wait_for

HOME = ROOT / ".bench"

LITELLM = "litellm"
PORTKEY = "portkey"
TENSORZERO = "tensorzero"

# It does not start without one.
_LITELLM_KEY = "sk-bench-0123456789abcdef0123456789abcdef"
_LITELLM_CONFIG = """\
model_list:
  - model_name: {model}
    litellm_params:
      model: openai/{upstream_model}
      api_base: http://127.0.0.1:{upstream}/v1
      api_key: sk-mock
general_settings:
  master_key: {key}
"""
_TENSORZERO_CONFIG = """\
[gateway.observability]
enabled = false

[models.{upstream_model}]
routing = ["mock"]

[models.{upstream_model}.providers.mock]
type = "openai"
api_base = "http://127.0.0.1:{upstream}/v1"
model_name = "{upstream_model}"
api_key_location = "none"
"""


def _version_in(environment: Path, package: str) -> str:
    places = [str(place) for place in environment.glob("lib/python*/site-packages")]
    return next((found.version for found in distributions(name=package, path=places)), "unknown")


def _missing(name: str) -> Absent:
    return Absent(f"{name} is not installed under .bench/: `make bench-peers` installs it. It is left out.")


def litellm(processes: Processes, upstream_port: int) -> Gateway:
    """LiteLLM's proxy: one worker, no database, no key but its master key. Raises Absent."""
    environment = HOME / LITELLM
    program = environment / "bin" / "litellm"
    if not program.exists():
        raise _missing("LiteLLM")
    config = processes.work / "litellm.yaml"
    config.write_text(
        _LITELLM_CONFIG.format(
            model=payload.MODEL, upstream_model=payload.UPSTREAM_MODEL, upstream=upstream_port, key=_LITELLM_KEY
        )
    )
    port = free_port()
    command: list[str | Path] = [program, "--config", config, "--host", "127.0.0.1", "--port", str(port)]
    return launch(
        processes,
        LITELLM,
        _version_in(environment, "litellm"),
        Address(port=port, headers={"authorization": f"Bearer {_LITELLM_KEY}"}, model=payload.MODEL),
        [*command, "--num_workers", "1", "--telemetry", "False"],
        # Its price list from its own wheel: otherwise it is fetched at start.
        env={"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"},
        share=0.03,
    )


def portkey(processes: Processes, upstream_port: int) -> Gateway:
    """Portkey's gateway on Node: the provider is named in each request's headers. Raises Absent."""
    package = HOME / PORTKEY / "node_modules" / "@portkey-ai" / "gateway"
    node = shutil.which("node")
    if node is None or not package.exists():
        raise _missing("Portkey")
    port = free_port()
    upstream = f"http://127.0.0.1:{upstream_port}/v1"
    headers = {"x-portkey-provider": "openai", "x-portkey-custom-host": upstream, "authorization": "Bearer sk-mock"}
    described = msgspec.json.decode((package / "package.json").read_bytes(), type=dict[str, object])
    return launch(
        processes,
        PORTKEY,
        str(described["version"]),
        Address(port=port, headers=headers),
        [node, package / "build" / "start-server.js", "--headless", f"--port={port}"],
        # Without it the gateway refuses loopback addresses as a custom host.
        env={"NODE_ENV": "production", "TRUSTED_CUSTOM_HOSTS": "127.0.0.1,localhost"},
        share=0.2,
    )


def tensorzero(processes: Processes, upstream_port: int) -> Gateway:
    """TensorZero's gateway in Rust, inside an idle Python process: its package ships no program. Raises Absent."""
    environment = HOME / TENSORZERO
    python = environment / "bin" / "python"
    if not python.exists():
        raise _missing("TensorZero")
    config = processes.work / "tensorzero.toml"
    config.write_text(_TENSORZERO_CONFIG.format(upstream_model=payload.UPSTREAM_MODEL, upstream=upstream_port))
    before = time.perf_counter()
    process = processes.start(TENSORZERO, [python, "bench/tensorzero_gateway.py", config])
    port = _printed_port(processes.log(TENSORZERO))
    address = Address(
        port=port,
        path="/openai/v1/chat/completions",
        model=f"tensorzero::model_name::{payload.UPSTREAM_MODEL}",
    )
    body = payload.request_body(address.model, stream=False)
    headers = {"content-type": "application/json"}
    answered = wait_for(process, processes.log(TENSORZERO), port, "POST", address.path, body, headers)
    return Gateway(
        name=TENSORZERO,
        version=_version_in(environment, "tensorzero"),
        address=address,
        process=process,
        started_s=answered - before,
        share=0.5,
    )


def _printed_port(log: Path, timeout_s: float = 30.0) -> int:
    deadline = time.perf_counter() + timeout_s
    while time.perf_counter() < deadline:
        for line in log.read_text(errors="replace").splitlines():
            if line.startswith("listening http://"):
                return int(line.split("/")[2].rpartition(":")[2])
        time.sleep(0.02)
    raise Failed(f"TensorZero did not say where it listens. Its log:\n{log.read_text(errors='replace')[-2000:]}")
