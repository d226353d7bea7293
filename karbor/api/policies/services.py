# SPDX-License-Identifier: Apache-2.0
"""Rules of services."""

from karbor.api.policies.base import RULE_ADMIN_API, rule

GET_ALL = "service:get_all"
UPDATE = "service:update"

RULES = [
    rule(GET_ALL, "List services.", "GET", "/os-services", RULE_ADMIN_API),
    rule(
        UPDATE,
        "Enable or disable a service.",
        "PUT",
        "/os-services/{service_id}",
        RULE_ADMIN_API,
    ),
]
