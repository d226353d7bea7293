#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tools/barbican_lab.py, by a Python that is new enough.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
export KARBOR_CACHE=${KARBOR_CACHE:-$top/.karbor}
. "$top/tools/python.sh"
exec "$PYTHON" "$top/tools/barbican_lab.py" "$@"
