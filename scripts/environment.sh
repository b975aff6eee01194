#!/bin/sh
# Makes the virtual environment $1 from the lock file $2: finds a Python, installs what the lock names by hash, adds `tollway`.
# PYTHON=... chooses the interpreter. Needs the network only when something must be downloaded.
set -eu
venv=$1
lock=$2
here=$(cd "$(dirname "$0")/.." && pwd -P)

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    for name in ${PYTHON:-python3 python3.11 python3.12 python3.13 python3.14}; do
        if new_enough "$name"; then
            printf '%s\n' "$name"
            return
        fi
    done
    echo "Tollway needs Python 3.11 or newer, and found none (looked for: ${PYTHON:-python3, python3.11 to python3.14})." >&2
    echo "On Debian and Ubuntu, as root:  apt-get install python3 python3-venv" >&2
    echo "Elsewhere, name yours:          make run PYTHON=/path/to/python3" >&2
    return 1
}

usable() {
    # A moved or copied checkout keeps its old paths inside .venv; one whose making was interrupted has no pip.
    if [ -f "$venv/.place" ] && [ "$(cat "$venv/.place")" != "$here" ]; then return 1; fi
    new_enough "$venv/bin/python" && "$venv/bin/python" -m pip --version >/dev/null 2>&1
}

if ! usable; then
    python=$(find_python)
    if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
        case $python in python3.*) package=$python-venv ;; *) package=python3-venv ;; esac
        echo "This Python ($python) comes without venv, which Debian and Ubuntu package apart. As root:" >&2
        echo "" >&2
        echo "    apt-get install $package" >&2
        echo "" >&2
        echo "and then the same make command again." >&2
        exit 1
    fi
    echo "Making $venv with $("$python" --version 2>&1) ..."
    "$python" -m venv --clear "$venv"
    printf '%s\n' "$here" >"$venv/.place"
fi

echo "Installing what $lock names, each file checked by its hash (about a minute the first time) ..."
if ! "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --require-hashes --requirement "$lock"; then
    echo "pip could not install $lock: its own words are above. The first time this needs the network; nothing is half done," >&2
    echo "so the same make command can simply be run again." >&2
    exit 1
fi
"$venv/bin/python" scripts/link.py
printf '%s\n' "$here" >"$venv/.place"
