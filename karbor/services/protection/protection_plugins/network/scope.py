# SPDX-License-Identifier: Apache-2.0
"""Whose things a network is protected with, and with which of them."""

import dataclasses
from typing import Self

from karbor.common import constants
from karbor.context import RequestContext
from karbor.resource import Resource
from karbor.services.protection.graph import ResourceGraph


@dataclasses.dataclass(frozen=True)
class Scope:
    """What is asked for with one network.

    :param caller_id: the project of whoever protects
    :param is_admin: whether that is an administrator
    :param project_id: the project that is protected; None when only parts of one are
    :param has_unused: whether what of the project is on no network is kept with this
        one
    """

    caller_id: str
    is_admin: bool = False
    project_id: str | None = None
    has_unused: bool = False

    @classmethod
    def of(
        cls, network: Resource, graph: ResourceGraph | None, context: RequestContext
    ) -> Self:
        """What a checkpoint asks for.

        :param graph: of the checkpoint
        """
        project = _project_of(network, graph) if graph is not None else None
        return cls(
            caller_id=str(context.project_id or ""),
            is_admin=bool(context.is_admin),
            project_id=None if project is None else project.id,
            has_unused=project is not None
            and graph is not None
            and _first_network(project, graph) == network,
        )


def _project_of(network: Resource, graph: ResourceGraph) -> Resource | None:
    """The project that depends on a network; its owner before others."""
    projects = sorted(
        (
            resource
            for resource in graph.resources
            if resource.type == constants.PROJECT_RESOURCE_TYPE
        ),
        key=lambda one: one.id,
    )
    for below in (graph.directly_below, graph.below):
        for project in projects:
            if network in below(project):
                return project
    return None


def _first_network(project: Resource, graph: ResourceGraph) -> Resource | None:
    """The network of a project that all agree on."""
    networks = [
        resource
        for resource in graph.directly_below(project)
        if resource.type == constants.NETWORK_RESOURCE_TYPE
    ]
    return min(networks, key=lambda one: one.id, default=None)
