# SPDX-License-Identifier: Apache-2.0
"""Rules of plans."""

from karbor.api.policies.base import rule

CREATE = "plan:create"
UPDATE = "plan:update"
DELETE = "plan:delete"
GET = "plan:get"
GET_ALL = "plan:get_all"

RULES = [
    rule(CREATE, "Create a plan.", "POST", "/plans"),
    rule(UPDATE, "Update a plan.", "PUT", "/plans/{plan_id}"),
    rule(DELETE, "Delete a plan.", "DELETE", "/plans/{plan_id}"),
    rule(GET, "Show a plan.", "GET", "/plans/{plan_id}"),
    rule(GET_ALL, "List plans.", "GET", "/plans"),
]
