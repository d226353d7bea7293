#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Install the karbor and glance commands that people use into a virtual environment
# of their own, because python-karborclient 2.1.0 is older than the service.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
venv=${KARBOR_CACHE:-$top/.karbor}/client
wanted=$(sha256sum "$top/tools/constraints-client.txt" | cut -d' ' -f1)

if [[ -f $venv/.installed && $(<"$venv/.installed") == "$wanted" ]]; then
    exit 0
fi
rm -rf "$venv"
"${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check \
    -c "$top/tools/constraints-client.txt" \
    python-karborclient==2.1.0 python-glanceclient 'setuptools<81'
echo "$wanted" >"$venv/.installed"
