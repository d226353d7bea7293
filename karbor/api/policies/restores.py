# SPDX-License-Identifier: Apache-2.0
"""Rules of restores."""

from karbor.api.policies.base import rule

CREATE = "restore:create"
GET = "restore:get"
GET_ALL = "restore:get_all"

RULES = [
    rule(CREATE, "Restore a checkpoint.", "POST", "/restores"),
    rule(GET, "Show a restore.", "GET", "/restores/{restore_id}"),
    rule(GET_ALL, "List restores.", "GET", "/restores"),
]
