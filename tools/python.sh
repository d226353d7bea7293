# SPDX-License-Identifier: Apache-2.0
# Sourced by the scripts beside it, from the project's top folder: finds a Python
# that is new enough and the folder for what they install.
# shellcheck shell=bash

export KARBOR_CACHE=${KARBOR_CACHE:-$PWD/.karbor}

if [[ -z ${PYTHON:-} ]]; then
    for candidate in python3.11 python3 python3.12 python3.13; do
        if "$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' \
            2>/dev/null; then
            PYTHON=$(command -v "$candidate")
            break
        fi
    done
fi
if [[ -z ${PYTHON:-} ]]; then
    echo "Python 3.11 or newer with its venv module is needed; set PYTHON to it." >&2
    exit 1
fi
export PYTHON
