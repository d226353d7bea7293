# SPDX-License-Identifier: Apache-2.0
# Sourced by the executables beside it: runs the package cloud by a Python that is new
# enough. The cloud's folder is KARBOR_CLOUD, by default $KARBOR_CACHE/cloud.
# shellcheck shell=bash
set -euo pipefail

command=$(basename "$0")
if [[ -n ${KARBOR_CLOUD:-} ]]; then
    KARBOR_CLOUD=$(realpath --canonicalize-missing "$KARBOR_CLOUD")
fi
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. tools/python.sh
export KARBOR_CLOUD=${KARBOR_CLOUD:-$KARBOR_CACHE/cloud}
cd tools
exec "$PYTHON" -m cloud "$command" "$@"
