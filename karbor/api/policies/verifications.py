# SPDX-License-Identifier: Apache-2.0
"""Rules of verifications."""

from karbor.api.policies.base import rule

CREATE = "verification:create"
GET = "verification:get"
GET_ALL = "verification:get_all"

RULES = [
    rule(CREATE, "Verify a checkpoint.", "POST", "/verifications"),
    rule(GET, "Show a verification.", "GET", "/verifications/{verification_id}"),
    rule(GET_ALL, "List verifications.", "GET", "/verifications"),
]
