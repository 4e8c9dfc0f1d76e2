#!/bin/sh
# setup.sh PYTHON VENV run|dev: a virtual environment with the locked dependencies and this project in it.
set -eu
python=$1 venv=$2 kind=$3

if ! command -v "$python" >/dev/null 2>&1; then
    echo "meshnode needs Python 3.11 or newer; '$python' was not found. Say which: make run PYTHON=/path/to/python3.12" >&2
    exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "meshnode needs Python 3.11 or newer; '$python' is $("$python" -V 2>&1). Say which: make run PYTHON=python3.12" >&2
    exit 1
fi
if [ ! -x "$venv/bin/python" ]; then
    if "$python" -c 'import venv, ensurepip' >/dev/null 2>&1; then
        "$python" -m venv "$venv"
    elif command -v virtualenv >/dev/null 2>&1; then
        virtualenv -q -p "$python" "$venv"
    elif command -v uv >/dev/null 2>&1; then
        uv venv -q --seed -p "$python" "$venv"
    else
        echo "this Python has no venv module. On Debian or Ubuntu: sudo apt install python3-venv. Or: pip install --user virtualenv. Then run make again." >&2
        exit 1
    fi
fi
quiet="--quiet --disable-pip-version-check --no-input"
echo "setting up $venv ($kind) ..."
# The locked versions first; on a platform for which a locked wheel is missing, the ranges of pyproject.toml decide.
if ! "$venv/bin/python" -m pip install $quiet --require-hashes --only-binary :all: -r "tools/locks/$kind.txt"; then
    echo "the locked versions do not install here; taking what pyproject.toml allows" >&2
fi
if [ "$kind" = dev ]; then target=".[dev]"; else target="."; fi
"$venv/bin/python" -m pip install $quiet --editable "$target"
