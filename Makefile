# Tollway's commands; `make help` lists them. Needs a Python >= 3.11 with venv, and nothing else.
# The environment in .venv is made once from the lock files, and again only when they, or pyproject.toml, change.

VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
ARGS ?=
CYCLES ?= 20
SECONDS ?= 60
PLANS ?= 100000
EXAMPLES ?= 20
# Files of tests are spread over processes (tests/conftest.py says how many); ARGS="-n0" keeps all in one.
PYTEST := $(PY) -m pytest -n auto --dist loadfile --no-loadscope-reorder --max-worker-restart 0 --durations 15
ALONE := tests/gateway/test_disconnects.py tests/server tests/upstream tests/browser/test_speed.py
MAKES_ENVIRONMENT := pyproject.toml scripts/environment.sh scripts/link.py

# The tests start hundreds of processes, and none of them is to compile anew what another has compiled.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test test-forms check fix golden docs lock vendor chaos contract plans test-clients score fuzz screenshots clean

# A checkout that was moved or copied together with its .venv makes it anew: scripts have absolute paths inside.
ifneq ($(shell cat $(VENV)/.place 2>/dev/null),$(realpath .))
.PHONY: $(VENV)/.stamp-run $(VENV)/.stamp-dev
endif

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/.stamp-run ## start Tollway with simulated providers: a page and an API to try, no key needed (ARGS="--port 8080")
	@$(BIN)/tollway demo $(ARGS)

test: check ## everything that is checked on each change: `make check`, then all tests
	@sh scripts/chromium.sh
	@echo && echo "== pytest"
# Deadlines of tenths of a second, and how soon pages are there, are measured with the machine to itself.
	@$(PYTEST) $(or $(ARGS),$(ALONE:%=--ignore=%) --ignore=tests/api/test_contract.py)
	@$(if $(ARGS),,$(PY) -m pytest -n0 $(ALONE))

test-forms: $(VENV)/.stamp-dev ## the site's pages and journeys narrow in light and wide in dark; `make test` sees them wide in light and narrow in dark
	@sh scripts/chromium.sh
	@FORMS=others $(PYTEST) -m forms tests/browser $(ARGS)

check: $(VENV)/.stamp-dev ## the checks that run nothing: format, lint, types, floors, the map
	@echo "== ruff format --check"
	@$(BIN)/ruff format --check .
	@echo && echo "== ruff check"
	@$(BIN)/ruff check .
	@echo && echo "== mypy --strict"
	@$(PY) -m mypy
	@echo && echo "== lint-imports"
	@$(BIN)/lint-imports --no-logo
	@echo && echo "== docs/architecture.md"
	@$(PY) scripts/architecture.py --check
	@echo && echo "== docs/providers.md"
	@$(PY) scripts/providers_table.py --check
	@echo && echo "== docs/images/balancing.svg"
	@$(PY) scripts/balancing_plot.py --check
	@echo && echo "== docs/clients.md"
	@$(PY) scripts/clients_page.py --check
	@echo && echo "== src/tollway/web/static/vendor"
	@$(PY) scripts/vendor.py --check
	@echo && echo "== docs/auto.md"
	@$(PY) scripts/train_tagger.py --check

fix: $(VENV)/.stamp-dev ## format, and mend what ruff can mend by itself
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

golden: $(VENV)/.stamp-dev ## write the golden files anew from what the code says now; read the diff before you commit it
	@GOLDEN=write $(PY) -m pytest $(ARGS)

docs: $(VENV)/.stamp-dev ## print what the pages take from the code: the map, the providers, the clients' setups
	@$(PY) scripts/architecture.py
	@$(PY) scripts/providers_table.py
	@$(PY) scripts/balancing_plot.py
	@$(PY) -m scripts.balancing_table
	@$(PY) scripts/clients_page.py
	@$(PY) scripts/train_tagger.py --score

vendor: $(VENV)/.stamp-dev ## fetch what others wrote for the site, as src/tollway/web/vendor.toml lists it (needs npm; ARGS="--check" needs nothing)
	@$(PY) scripts/vendor.py $(ARGS)

lock: ## resolve the lock files again (ARGS="--upgrade" for newer versions)
	@sh scripts/lock.sh $(ARGS)

chaos: $(VENV)/.stamp-dev ## kill and restart the server under load, CYCLES times (default 20), and check the ledger each time
	@CYCLES=$(CYCLES) $(PY) -m pytest tests/chaos $(ARGS)

contract: $(VENV)/.stamp-dev ## schemathesis: the API against /openapi.json, EXAMPLES (default 20) random cases an operation; 200 for a release
	@EXAMPLES=$(EXAMPLES) $(PY) -m pytest -n0 -o faulthandler_timeout=7200 tests/api/test_contract.py $(ARGS)

plans: $(VENV)/.stamp-dev ## 100,000 random plans (PLANS for more), each checked against its request; `make test` makes a tenth of them
	@PLANS=$(PLANS) $(PY) -m pytest tests/routing/test_random_plans.py $(ARGS)

test-clients: $(VENV)/.stamp-run ## drive real clients, each in an environment of its own (ARGS="openai" for one, "--write" for the page)
	@$(PY) scripts/test_clients.py $(ARGS)

score: $(VENV)/.stamp-dev ## what of the recorded exchanges survives translation, per provider and format, and what is dropped and why
	@$(PY) scripts/score.py $(ARGS)

screenshots: $(VENV)/.stamp-dev ## every page, light and dark, wide and narrow, from a demo with a month of traffic, to .screenshots/ (ARGS="--publish" for the docs)
	@sh scripts/chromium.sh
	@$(PY) -m scripts.screenshots $(ARGS)

fuzz: $(VENV)/.stamp-dev ## mutate recordings for SECONDS (default 60) and read them with every decoder: only errors of our own may come out
	@$(PY) scripts/fuzz.py --seconds $(SECONDS) $(ARGS)

clean: ## remove environments and caches; data (.tollway/) stays
	rm -rf $(VENV) .venv-clients .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist

# The recipes of these are in bench/bench.mk.
bench: $(VENV)/.stamp-dev ## measure Tollway beside nginx, and beside each peer that is installed
bench-peers: $(VENV)/.stamp-dev ## install the gateways that it is compared with, in environments of their own
bench-quick: $(VENV)/.stamp-dev ## the same in short: that it works, not how fast
bench-scale: $(VENV)/.stamp-dev ## fill a database with five million generations and a million keys, and time what pages ask of it (ARGS="--rows 10000000 --chat 5" to serve it, too)
-include bench/bench.mk

$(VENV)/.stamp-run: requirements.lock $(MAKES_ENVIRONMENT)
	@sh scripts/environment.sh $(VENV) requirements.lock
	@touch $@

# requirements-dev.lock holds everything that requirements.lock holds, in the same versions.
$(VENV)/.stamp-dev: requirements-dev.lock requirements.lock $(MAKES_ENVIRONMENT)
	@sh scripts/environment.sh $(VENV) requirements-dev.lock
	@touch $@ $(VENV)/.stamp-run
