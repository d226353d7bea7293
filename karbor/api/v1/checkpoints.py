# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of a provider: protect, list, show, delete, reset, copy."""

import json
from collections.abc import Mapping
from typing import Any

import falcon

from karbor import exception
from karbor.api import body
from karbor.api.listing import QuerySchema
from karbor.api.policies import providers as policies
from karbor.api.schemas import bodies
from karbor.api.v1.controller import (
    Controller,
    check_uuid,
    page_arguments,
    pick,
    to_message,
)
from karbor.common import constants

_QUERY = QuerySchema(
    "plan_id", "status", dates=("start_date", "end_date"), of_projects=True
)


class PlannedController(Controller):
    """What begins with a plan of this provider."""

    def plan_of(
        self, req: falcon.Request, action: str, plan_id: str, provider_id: str
    ) -> dict[str, Any]:
        """
        :raises PlanNotFound: also for another project's
        :raises InvalidPlan: when it is for another provider
        """
        check_uuid(provider_id, "provider")
        plan = self.database.plans.get(req.context.karbor, plan_id)
        self.allow(req, action, plan)
        if plan["provider_id"] != provider_id:
            raise exception.InvalidPlan(
                reason=f"the plan {plan_id} is for the provider {plan['provider_id']}"
            )
        return plan


class Checkpoints(PlannedController):
    """``/providers/{provider_id}/checkpoints``"""

    def on_get(
        self, req: falcon.Request, resp: falcon.Response, provider_id: str
    ) -> None:
        context = self.allow(req, policies.CHECKPOINT_GET_ALL)
        check_uuid(provider_id, "provider")
        query = _QUERY.parse(req, context, self.conf)
        found = self.protection.list_checkpoints(
            context,
            provider_id,
            all_tenants=query.all_tenants,
            **page_arguments(query),
        )
        self.answer_page(req, resp, query, "checkpoints", [view(one) for one in found])

    def on_post(
        self, req: falcon.Request, resp: falcon.Response, provider_id: str
    ) -> None:
        context = self.allow(req, policies.CHECKPOINT_CREATE)
        values = body.load(req, bodies.CHECKPOINT_CREATE)["checkpoint"]
        plan = self.plan_of(
            req, policies.CHECKPOINT_CREATE, values["plan_id"], provider_id
        )
        given = values.get("extra-info") or values.get("extra_info") or {}
        extra_info = {"created_by": constants.MANUAL, **given}
        properties = {
            "project_id": plan["project_id"],
            "status": constants.CHECKPOINT_STATUS_PROTECTING,
            "provider_id": provider_id,
            "protection_plan": {
                "id": plan["id"],
                "name": plan["name"],
                "provider_id": provider_id,
                "resources": plan["resources"],
            },
            "extra_info": json.dumps(extra_info, sort_keys=True),
        }
        checkpoint_id = self.protection.protect(context, to_message(plan), properties)
        self.answer(resp, {"checkpoint": view({**properties, "id": checkpoint_id})})


class Checkpoint(Controller):
    """``/providers/{provider_id}/checkpoints/{checkpoint_id}``"""

    def on_get(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        provider_id: str,
        checkpoint_id: str,
    ) -> None:
        checkpoint = self._get(req, policies.CHECKPOINT_GET, provider_id, checkpoint_id)
        self.answer(resp, {"checkpoint": view(checkpoint)})

    def on_delete(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        provider_id: str,
        checkpoint_id: str,
    ) -> None:
        self._get(req, policies.CHECKPOINT_DELETE, provider_id, checkpoint_id)
        self.protection.delete(req.context.karbor, provider_id, checkpoint_id)
        self.answer(resp, {})

    def on_put(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        provider_id: str,
        checkpoint_id: str,
    ) -> None:
        self.allow(req, policies.CHECKPOINT_UPDATE)
        state = body.load(req, bodies.CHECKPOINT_RESET_STATE)["os-resetState"]["state"]
        self._get(req, policies.CHECKPOINT_UPDATE, provider_id, checkpoint_id)
        self.protection.reset_state(
            req.context.karbor, provider_id, checkpoint_id, state
        )
        self.answer(resp, {})

    def _get(
        self, req: falcon.Request, action: str, provider_id: str, checkpoint_id: str
    ) -> dict[str, Any]:
        """:raises AccessCheckpointNotAllowed: when it is another project's"""
        context = self.allow(req, action)
        check_uuid(provider_id, "provider")
        check_uuid(checkpoint_id, "checkpoint")
        checkpoint = self.protection.show_checkpoint(
            context, provider_id, checkpoint_id
        )
        self.allow(req, action, checkpoint)
        return checkpoint


class CheckpointsAction(PlannedController):
    """``/providers/{provider_id}/checkpoints/action``"""

    def on_post(
        self, req: falcon.Request, resp: falcon.Response, provider_id: str
    ) -> None:
        """Copy each finished checkpoint of a plan that has no copy yet.

        Into the bank of the provider, or of the one that the parameter
        ``target_provider_id`` names.
        """
        context = self.allow(req, policies.COPY_CREATE)
        values = body.load(req, bodies.COPY_CREATE)["copy"]
        plan = self.plan_of(req, policies.COPY_CREATE, values["plan_id"], provider_id)
        if not self.protection.list_checkpoints(
            context,
            provider_id,
            limit=1,
            filters={"plan_id": plan["id"], "project_id": plan["project_id"]},
        ):
            raise exception.InvalidPlan(
                reason="it has no checkpoint to copy; protect it first"
            )
        parameters = values.get("parameters") or {}
        plan["parameters"] = {**(plan["parameters"] or {}), **parameters}
        copies = self.protection.copy(context, to_message(plan))
        self.answer(
            resp,
            {
                "copy": {
                    "project_id": plan["project_id"],
                    "provider_id": provider_id,
                    "plan_id": plan["id"],
                    "checkpoint_id": copies,
                    "parameters": parameters,
                }
            },
        )


def view(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """A checkpoint as an answer shows it."""
    shown = pick(
        checkpoint,
        "id",
        "project_id",
        "status",
        "protection_plan",
        "resource_graph",
        "created_at",
        "extra_info",
    )
    for name in (
        "status_reason",
        "resources_status",
        "copied_from",
        "copied_from_provider",
        "locked_until",
    ):
        if checkpoint.get(name):
            shown[name] = checkpoint[name]
    return shown
