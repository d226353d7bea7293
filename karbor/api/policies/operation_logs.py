# SPDX-License-Identifier: Apache-2.0
"""Rules of operation logs."""

from karbor.api.policies.base import rule

GET = "operation_log:get"
GET_ALL = "operation_log:list"

RULES = [
    rule(GET, "Show an operation log.", "GET", "/operation_logs/{operation_log_id}"),
    rule(GET_ALL, "List operation logs.", "GET", "/operation_logs"),
]
