# SPDX-License-Identifier: Apache-2.0
"""Rules of protectable types and their instances."""

from karbor.api.policies.base import rule

GET = "protectable:get"
GET_ALL = "protectable:get_all"
INSTANCE_GET = "protectable:instance_get"
INSTANCE_GET_ALL = "protectable:instance_get_all"

_TYPE = "/protectables/{protectable_type}"

RULES = [
    rule(GET, "Show a protectable type.", "GET", _TYPE),
    rule(GET_ALL, "List protectable types.", "GET", "/protectables"),
    rule(
        INSTANCE_GET,
        "Show a protectable resource.",
        "GET",
        _TYPE + "/instances/{resource_id}",
    ),
    rule(INSTANCE_GET_ALL, "List protectable resources.", "GET", _TYPE + "/instances"),
]
