#!/bin/sh
# setup.sh REQUIREMENT STAMP: makes .venv where there is none that works, installs
# REQUIREMENT (such as '.[test]') editable into it, and writes STAMP.
# PYTHON names the interpreter; by default the first Python 3.11 or newer found.
set -eu

requirement=$1
stamp=$2
venv=.venv
log=$(mktemp)
trap 'rm -f "$log"' EXIT

fail() {
    echo "setup: $1" >&2
    exit 1
}

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    for name in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if new_enough "$name"; then
            echo "$name"
            return
        fi
    done
    return 1
}

make_venv() {
    python=$(find_python) || fail "${PYTHON:-python3} is not Python 3.11 or newer: run 'apt-get install python3 python3-venv', or name one with PYTHON=/path/to/python"
    rm -rf "$venv"
    if "$python" -c 'import ensurepip' 2>/dev/null; then
        "$python" -m venv "$venv" >"$log" 2>&1 && return
    # Debian's python3 without python3-venv: its own pip, where there is one, fills the venv.
    elif "$python" -m pip --version >/dev/null 2>&1; then
        "$python" -m venv --without-pip "$venv" >"$log" 2>&1 &&
            "$python" -m pip --python "$venv/bin/python" install --quiet pip >"$log" 2>&1 &&
            return
    fi
    cat "$log" >&2
    fail "$python can't make a virtual environment: run 'apt-get install python3-venv'"
}

if ! new_enough "$venv/bin/python" || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    make_venv
fi
echo "setup: installing $requirement into $venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable "$requirement" ||
    fail "pip could not install $requirement; its message is above"
# Starts are twice as fast with bytecode, which Python may have been told not to write by itself.
"$venv/bin/python" -m compileall -q src
# Stamps of another pyproject.toml no longer tell what is installed.
find "$venv" -maxdepth 1 -name '.installed-*' ! -name "$(basename "${stamp%-*}")-*" -exec rm -f {} +
touch "$stamp"
