"""Runs TensorZero's HTTP gateway out of its Python package, whose wheel holds the whole gateway in Rust."""

# Run by the interpreter of .bench/tensorzero, never imported: `python bench/tensorzero_gateway.py tensorzero.toml`.
import signal
import sys

from tensorzero import _start_http_gateway  # type: ignore[import-not-found]  # It is in another environment.

# The function chooses its port itself; the caller reads it from the line that we print.
gateway = _start_http_gateway(
    config_file=sys.argv[1], clickhouse_url=None, postgres_url=None, valkey_url=None, async_setup=False
)
print(f"listening {gateway.base_url}", flush=True)
signal.sigwait({signal.SIGTERM, signal.SIGINT})
gateway.close()
