#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Install what karbor/tests/perf/compare.py compares with, and run it: restic and borg
# from the distribution (Debian and Ubuntu, as root), Cinder from PyPI in an environment
# of its own below KARBOR_CACHE. Arguments go to the benchmark; run it by the Python
# that Karbor is installed for: PYTHON.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
export KARBOR_CACHE=${KARBOR_CACHE:-$top/.karbor}
. "$top/tools/python.sh"

# The release whose figures the documentation has.
cinder='cinder==29.0.0'

packages=()
command -v restic >/dev/null || packages+=(restic)
command -v borg >/dev/null || packages+=(borgbackup)
if ((${#packages[@]})); then
    if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
        echo "Missing: ${packages[*]}. Install them by the machine's package manager." >&2
        exit 1
    fi
    apt-get --quiet --yes update >&2
    DEBIAN_FRONTEND=noninteractive apt-get --quiet --yes \
        install --no-install-recommends "${packages[@]}" >&2
fi

environment=$KARBOR_CACHE/$(tr -d = <<<"$cinder")
if [[ ! -e $environment/complete ]]; then
    rm -rf "$environment"
    "$PYTHON" -m venv "$environment"
    "$environment/bin/pip" install --quiet "$cinder" >&2
    touch "$environment/complete"
fi

cd "$top"
exec "$PYTHON" -m karbor.tests.perf.compare \
    --cinder-python "$environment/bin/python" "$@"
