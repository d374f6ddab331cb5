#!/usr/bin/env bash
# Remakes requirements.lock and requirements-dev.lock from pyproject.toml:  deploy/lock.sh [--upgrade]
#
# Every package is pinned with the hashes of all its files, for every Python from 3.11 on and every machine. Pins that
# still fit pyproject.toml stay; --upgrade takes the newest of everything, --upgrade-package NAME of one.
set -euo pipefail

cd -- "$(dirname -- "$0")/.."
tools=$(mktemp -d)
trap 'rm -rf -- "$tools"' EXIT

"${PYTHON:-python3}" -m venv "$tools/venv"
"$tools/venv/bin/python" -I -m pip install --quiet --disable-pip-version-check uv

compile() {
  "$tools/venv/bin/uv" pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' "$@" >/dev/null
}

# The group `build` holds setuptools, with which set-up.sh installs the project itself.
compile --group build --output-file requirements.lock "$@"
# The tests run with exactly what the product runs with.
compile --group build --group dev --extra plot --extra emg --extra replay --constraint requirements.lock --output-file requirements-dev.lock "$@"
