# SPDX-License-Identifier: Apache-2.0
"""Plans: what to protect, and with which provider.

A plan may be deleted at any time: a checkpoint keeps its own copy of its plan, and
a running operation works from what it was started with.
"""

import json
from collections.abc import Mapping
from typing import Any

import falcon

from karbor import exception
from karbor.api import body
from karbor.api.listing import QuerySchema
from karbor.api.policies import plans as policies
from karbor.api.schemas import bodies
from karbor.api.v1.controller import Controller, check_uuid, page_arguments, pick
from karbor.common import constants
from karbor.context import RequestContext
from karbor.services.protection.rpcapi import ProtectionAPI

_QUERY = QuerySchema(
    "name", "description", "status", "provider_id", "id", of_projects=True
)


class PlansDetail(Controller):
    """``/plans/detail``, which shows no more than ``/plans`` does"""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        context = self.allow(req, policies.GET_ALL)
        query = _QUERY.parse(req, context, self.conf)
        plans = self.database.plans.list(
            context, all_tenants=query.all_tenants, **page_arguments(query)
        )
        self.answer_page(req, resp, query, "plans", [view(plan) for plan in plans])


class Plans(PlansDetail):
    """``/plans``"""

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        context = self.allow(req, policies.CREATE)
        values = body.load(req, bodies.PLAN_CREATE)["plan"]
        check = PlanCheck(self.protection, context)
        check.parameters(values["provider_id"], values.get("parameters"))
        plan = self.database.plans.create(
            context,
            {
                "name": values.get("name"),
                "description": values.get("description"),
                "provider_id": values["provider_id"],
                "status": constants.PLAN_STATUS_SUSPENDED,
                "resources": check.resources(values["resources"]),
                "parameters": values.get("parameters") or {},
            },
        )
        self.answer(resp, {"plan": view(plan)})


class Plan(Controller):
    """``/plans/{plan_id}``"""

    def on_get(self, req: falcon.Request, resp: falcon.Response, plan_id: str) -> None:
        plan = self._get(req, policies.GET, plan_id)
        self.answer(resp, {"plan": view(plan)})

    def on_put(self, req: falcon.Request, resp: falcon.Response, plan_id: str) -> None:
        self.allow(req, policies.UPDATE)
        changes = body.load(req, bodies.PLAN_UPDATE)["plan"]
        plan = self._get(req, policies.UPDATE, plan_id)
        if not changes:
            raise exception.InvalidInput(
                reason="nothing to update; a plan's name, description, status, "
                "resources and parameters can be"
            )
        if plan["status"] != constants.PLAN_STATUS_SUSPENDED and set(changes) != {
            "status"
        }:
            raise exception.InvalidPlan(
                reason=f"the plan is '{plan['status']}'; set its status to "
                f"'{constants.PLAN_STATUS_SUSPENDED}' before changing anything else"
            )
        context = req.context.karbor
        check = PlanCheck(self.protection, context)
        if "parameters" in changes:
            check.parameters(plan["provider_id"], changes["parameters"])
            changes["parameters"] = changes["parameters"] or {}
        if "resources" in changes:
            changes["resources"] = check.resources(changes["resources"])
        plan = self.database.plans.update(context, plan_id, changes)
        self.answer(resp, {"plan": view(plan)})

    def on_delete(
        self, req: falcon.Request, resp: falcon.Response, plan_id: str
    ) -> None:
        self._get(req, policies.DELETE, plan_id)
        self.database.plans.delete(req.context.karbor, plan_id)
        resp.status = falcon.HTTP_OK

    def _get(self, req: falcon.Request, action: str, plan_id: str) -> dict[str, Any]:
        self.allow(req, action)
        check_uuid(plan_id, "plan")
        plan = self.database.plans.get(req.context.karbor, plan_id)
        self.allow(req, action, plan)
        return plan


class PlanCheck:
    """Checks a plan against what the protection service has."""

    def __init__(self, protection: ProtectionAPI, context: RequestContext) -> None:
        self._protection = protection
        self._context = context

    def resources(self, resources: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The resources as they are stored: extra_info as a JSON text.

        :raises InvalidInput: for a type that nobody finds, or an extra_info that is
            text but not JSON
        """
        known = self._protection.list_protectable_types(self._context)
        for resource in resources:
            if resource["type"] not in known:
                raise exception.InvalidInput(
                    reason=f"the resource type {resource['type']!r} is unknown; known "
                    f"are {', '.join(sorted(known))}"
                )
        return [
            {**resource, "extra_info": _stored_extra_info(resource)}
            for resource in resources
        ]

    def parameters(
        self, provider_id: str, parameters: Mapping[str, Any] | None
    ) -> None:
        """Check the names; values are checked when the plan is protected.

        :raises InvalidPlan: for an unknown provider, type or parameter
        """
        try:
            provider = self._protection.show_provider(self._context, provider_id)
        except exception.ProviderNotFound as error:
            raise exception.InvalidPlan(reason=error.msg) from error
        schemas = (provider.get("extended_info_schema") or {}).get("options_schema")
        for key, values in (parameters or {}).items():
            resource_type = key.partition("#")[0]
            if resource_type not in (schemas or {}):
                raise exception.InvalidPlan(
                    reason=f"parameters: the provider has no plugin for "
                    f"{resource_type!r}"
                )
            known = (schemas or {})[resource_type].get("properties")
            unknown = [name for name in values if known and name not in known]
            if unknown:
                raise exception.InvalidPlan(
                    reason=f"parameters: {resource_type} has no "
                    f"{', '.join(unknown)[:255]}; it has {', '.join(sorted(known))}"
                )


def _stored_extra_info(resource: Mapping[str, Any]) -> str | None:
    extra_info = resource.get("extra_info")
    if not extra_info:
        return None
    if not isinstance(extra_info, str):
        return json.dumps(extra_info, sort_keys=True)
    try:
        body.parse(extra_info.encode("utf-8"))
    except exception.MalformedRequestBody as error:
        raise exception.InvalidInput(
            reason=f"the extra_info of resource {resource['id']} is a text that is "
            f"not JSON: {error.msg}"
        ) from error
    return extra_info


def view(plan: Mapping[str, Any]) -> dict[str, Any]:
    """A plan as an answer shows it."""
    shown = pick(
        plan,
        "id",
        "name",
        "description",
        "provider_id",
        "status",
        "parameters",
        "project_id",
        "created_at",
        "updated_at",
    )
    shown["resources"] = [
        _view_resource(resource) for resource in plan.get("resources") or []
    ]
    return shown


def _view_resource(resource: Mapping[str, Any]) -> dict[str, Any]:
    shown = pick(resource, "id", "name", "type")
    extra_info = resource.get("extra_info")
    if isinstance(extra_info, str) and extra_info:
        shown["extra_info"] = json.loads(extra_info)
    elif extra_info:
        shown["extra_info"] = extra_info
    return shown
