#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Set everything up and see Karbor protect, verify, lose and restore a real image on a
# real Glance. Needs Python 3.11 or newer and git; no root, no running server.
#
#   tools/quickstart.sh            cleans up after itself, also on Ctrl-C
#   tools/quickstart.sh --keep     leaves it running, and says how to go on
#   tools/quickstart.sh --help     the rest
set -euo pipefail

cd "$(dirname "$0")/.."
. tools/python.sh
exec "$PYTHON" tools/quickstart.py "$@"
