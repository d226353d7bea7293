# SPDX-License-Identifier: Apache-2.0
"""Operation logs: what was done, when, and how it ended."""

from collections.abc import Mapping
from typing import Any

import falcon

from karbor.api.listing import QuerySchema
from karbor.api.policies import operation_logs as policies
from karbor.api.v1.controller import Controller, check_uuid, page_arguments, pick

_QUERY = QuerySchema(
    "id",
    "status",
    "operation_type",
    "checkpoint_id",
    "plan_id",
    "provider_id",
    "restore_id",
    "scheduled_operation_id",
    of_projects=True,
)


class OperationLogs(Controller):
    """``/operation_logs``"""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        context = self.allow(req, policies.GET_ALL)
        query = _QUERY.parse(req, context, self.conf)
        found = self.database.operation_logs.list(
            context, all_tenants=query.all_tenants, **page_arguments(query)
        )
        views = [view(log) for log in found]
        self.answer_page(req, resp, query, "operation_logs", views)


class OperationLog(Controller):
    """``/operation_logs/{operation_log_id}``"""

    def on_get(
        self, req: falcon.Request, resp: falcon.Response, operation_log_id: str
    ) -> None:
        context = self.allow(req, policies.GET)
        check_uuid(operation_log_id, "operation log")
        log = self.database.operation_logs.get(context, operation_log_id)
        self.allow(req, policies.GET, log)
        self.answer(resp, {"operation_log": view(log)})


def view(log: Mapping[str, Any]) -> dict[str, Any]:
    """An operation log as an answer shows it."""
    return pick(
        log,
        "id",
        "project_id",
        "operation_type",
        "checkpoint_id",
        "plan_id",
        "provider_id",
        "restore_id",
        "scheduled_operation_id",
        "status",
        "started_at",
        "ended_at",
        "error_info",
        "extra_info",
    )
