# SPDX-License-Identifier: Apache-2.0
"""Finds projects: the caller's own, and any other for an admin."""

import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any

import keystoneauth1.exceptions
from oslo_config import cfg

from karbor import exception
from karbor.common import constants
from karbor.context import RequestContext
from karbor.resource import Resource
from karbor.services.protection.client_factory import ClientFactory
from karbor.services.protection.protectable_plugin import ProtectablePlugin


class ProjectProtectablePlugin(ProtectablePlugin):
    """``OS::Keystone::Project``: the root of a graph, itself without data."""

    def get_resource_type(self) -> str:
        return constants.PROJECT_RESOURCE_TYPE

    def get_parent_resource_types(self) -> Sequence[str]:
        return ()

    def list_resources(
        self, context: RequestContext, parameters: Mapping[str, Any] | None = None
    ) -> list[Resource]:
        if not context.project_id:
            return []
        return [self._resource(context.project_id, context.project_name)]

    def show_resource(
        self,
        context: RequestContext,
        resource_id: str,
        parameters: Mapping[str, Any] | None = None,
    ) -> Resource | None:
        if resource_id == context.project_id:
            return self._resource(resource_id, context.project_name)
        if not context.is_admin:
            return None
        if not context.auth_token:
            # A lab without Keystone: whatever the admin names is a project.
            return self._resource(resource_id, None)
        return self._ask_keystone(context, resource_id)

    def get_dependent_resources(
        self, context: RequestContext, parent_resource: Resource
    ) -> list[Resource]:
        return []

    def _ask_keystone(
        self, context: RequestContext, project_id: str
    ) -> Resource | None:
        conf = self._conf if self._conf is not None else cfg.CONF
        try:
            keystone = ClientFactory.create_client("keystone", context, conf)
            quoted = urllib.parse.quote(project_id, safe="")
            answer = keystone.get(f"/projects/{quoted}")
        except keystoneauth1.exceptions.NotFound:
            return None
        except (
            keystoneauth1.exceptions.ClientException,
            exception.KarborException,
        ) as error:
            raise exception.ListProtectableResourceFailed(
                type=constants.PROJECT_RESOURCE_TYPE, reason=error
            ) from error
        return self._resource(project_id, answer.json()["project"]["name"])

    @staticmethod
    def _resource(project_id: str, name: str | None) -> Resource:
        return Resource(constants.PROJECT_RESOURCE_TYPE, project_id, name)
