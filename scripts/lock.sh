#!/bin/sh
# Resolves pyproject.toml into the lock files, with hashes, for every Python >= 3.11 on Linux, macOS and Windows;
# and what the clients in tests/clients/ are made of, with the npm that comes in a wheel.
# Arguments go to the resolver: `--upgrade` takes newer versions, `--upgrade-package NAME` one of them.
set -eu
cd "$(dirname "$0")/.."
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
"${PYTHON:-python3}" -m venv "$tools"
"$tools/bin/python" -m pip install --quiet --disable-pip-version-check uv

compile() {
    # No address of a package index may stand in a lock: a mirror must serve as well as the public one.
    "$tools/bin/uv" pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes --no-annotate \
        --no-emit-index-url --custom-compile-command "make lock" "$@"
}

compile "$@" pyproject.toml --output-file requirements.lock
compile "$@" pyproject.toml --group dev --constraint requirements.lock --output-file requirements-dev.lock
for wanted in tests/clients/*/requirements.in; do
    compile "$@" "$wanted" --output-file "$(dirname "$wanted")/requirements.txt"
done

"$tools/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
    --requirement tests/clients/node/requirements.txt
for wanted in tests/clients/*/package.json; do
    case " $* " in *" --upgrade "*) rm -f "$(dirname "$wanted")/package-lock.json" ;; esac
    (cd "$(dirname "$wanted")" && PATH="$tools/bin:$PATH" npm install --silent --package-lock-only --ignore-scripts \
        --omit-lockfile-registry-resolved --no-audit --no-fund)
done
