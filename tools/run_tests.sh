#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Set up everything and run the tests. Arguments go to pytest.
# Needs Python 3.11 or newer and git; no root, no running server.
set -euo pipefail

cd "$(dirname "$0")/.."
. tools/python.sh

tox=$KARBOR_CACHE/tox
if [[ ! -x $tox/bin/tox ]]; then
    "$PYTHON" -m venv "$tox"
    "$tox/bin/pip" install --quiet --disable-pip-version-check -c constraints.txt tox
fi
exec "$tox/bin/tox" run --quiet -e py3 -- "$@"
