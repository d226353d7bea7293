# SPDX-License-Identifier: Apache-2.0
"""What can be protected: resource types, and the resources of a type."""

import ast
import json
from collections.abc import Mapping
from typing import Any

import falcon

from karbor import exception
from karbor.api.listing import QuerySchema, parameters
from karbor.api.policies import protectables as policies
from karbor.api.v1.controller import Controller, page_arguments, pick
from karbor.context import RequestContext

_QUERY = QuerySchema("id", "name", "type", "parameters")

#: Characters of the ``parameters`` of a query; longer ones are no mistake of typing.
_MAX_PARAMETERS = 4096


class ProtectableTypes(Controller):
    """``/protectables``"""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        context = self.allow(req, policies.GET_ALL)
        types = self.protection.list_protectable_types(context)
        self.answer(resp, {"protectable_type": sorted(types)})


class ProtectableType(Controller):
    """``/protectables/{protectable_type}``"""

    def on_get(
        self, req: falcon.Request, resp: falcon.Response, protectable_type: str
    ) -> None:
        context = self.allow(req, policies.GET)
        found = self.protection.show_protectable_type(context, protectable_type)
        self.answer(resp, {"protectable_type": pick(found, "name", "dependent_types")})


class Instances(Controller):
    """``/protectables/{protectable_type}/instances``"""

    def on_get(
        self, req: falcon.Request, resp: falcon.Response, protectable_type: str
    ) -> None:
        context = self.allow(req, policies.INSTANCE_GET_ALL)
        query = _QUERY.parse(req, context, self.conf)
        given = _parse_parameters(query.filters.pop("parameters", None))
        kind = self.protection.show_protectable_type(context, protectable_type)
        if query.filters.pop("type", protectable_type) != protectable_type:
            self.answer(resp, {"instances": []})
            return
        found = self.protection.list_protectable_instances(
            context, protectable_type, parameters=given, **page_arguments(query)
        )
        # One call per instance; none for a type that depends on nothing.
        has_dependents = bool(kind.get("dependent_types"))
        views = [
            self._view(context, protectable_type, instance, has_dependents)
            for instance in found
        ]
        self.answer_page(req, resp, query, "instances", views)

    def _view(
        self,
        context: RequestContext,
        protectable_type: str,
        instance: Mapping[str, Any],
        has_dependents: bool,
    ) -> dict[str, Any]:
        dependents = (
            self.protection.list_protectable_dependents(
                context, instance["id"], protectable_type, instance.get("name")
            )
            if has_dependents
            else []
        )
        return view(instance, protectable_type, dependents)


class Instance(Controller):
    """``/protectables/{protectable_type}/instances/{protectable_id}``"""

    def on_get(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        protectable_type: str,
        protectable_id: str,
    ) -> None:
        context = self.allow(req, policies.INSTANCE_GET)
        query = parameters(req)
        given = _parse_parameters(query.pop("parameters", None))
        if query:
            raise exception.InvalidInput(reason="the only query here is parameters")
        instance = self.protection.show_protectable_instance(
            context, protectable_type, protectable_id, given
        )
        if instance is None:
            raise exception.ProtectableResourceNotFound(
                id=protectable_id, type=protectable_type, reason="there is none"
            )
        dependents = self.protection.list_protectable_dependents(
            context, protectable_id, protectable_type, instance.get("name")
        )
        self.answer(resp, {"instance": view(instance, protectable_type, dependents)})


def _parse_parameters(text: str | None) -> dict[str, Any] | None:
    """A plugin's parameters out of a query.

    The ``karbor`` client puts Python's way of writing a dict there, others JSON.

    :raises InvalidInput: when it is neither, or no dict
    """
    if not text:
        return None
    if len(text) > _MAX_PARAMETERS:
        raise exception.InvalidInput(
            reason=f"parameters are longer than {_MAX_PARAMETERS} characters"
        )
    for parse in (json.loads, ast.literal_eval):
        try:
            value = parse(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            try:
                json.dumps(value, allow_nan=False)
            except (TypeError, ValueError, RecursionError):
                continue
            return value
    raise exception.InvalidInput(reason="parameters must be a JSON object")


def view(
    instance: Mapping[str, Any], protectable_type: str, dependents: list[Any]
) -> dict[str, Any]:
    """A protectable resource as an answer shows it."""
    return {
        **pick(instance, "id", "name", "extra_info"),
        "type": protectable_type,
        "dependent_resources": dependents,
    }
