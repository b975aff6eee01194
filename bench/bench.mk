# The benchmark: `make bench` measures, `make bench-peers` installs what it compares with (into .bench/, ignored by git).
PY ?= .venv/bin/python

.PHONY: bench bench-quick bench-scale bench-peers

bench:
	$(PY) -m bench $(ARGS)

bench-quick:
	$(PY) -m bench --quick $(ARGS)

bench-scale:
	$(PY) -m bench.scale $(ARGS)

# Each peer in an environment of its own, from the registry it is published on; each is optional to the benchmark.
bench-peers:
	mkdir -p .bench/portkey
	printf '*\n' > .bench/.gitignore
	$(PY) -m venv .bench/litellm
	.bench/litellm/bin/python -m pip install --quiet 'litellm[proxy]'
	$(PY) -m venv .bench/tensorzero
	.bench/tensorzero/bin/python -m pip install --quiet tensorzero
# With a later node-server Portkey answers every stream with a 500 (its issue 1389; tried: 1.13.8 answers).
	printf '{"private": true, "overrides": {"@hono/node-server": "1.13.8"}}\n' > .bench/portkey/package.json
	npm install --prefix .bench/portkey --no-audit --no-fund --loglevel=error @portkey-ai/gateway
