# SPDX-License-Identifier: Apache-2.0
"""Restoring a network: what is no longer there is made anew, in the order of need."""

from collections.abc import MutableMapping
from typing import Any

from karbor import exception
from karbor.common import constants
from karbor.context import RequestContext
from karbor.i18n import _
from karbor.resource import Resource
from karbor.services.protection.protection_plugin import Operation
from karbor.services.protection.protection_plugins.failing import failing
from karbor.services.protection.protection_plugins.network.marks import Marks
from karbor.services.protection.protection_plugins.network.protect import NAME
from karbor.services.protection.protection_plugins.network.restoration.floating import (
    restore_floating_ips,
)
from karbor.services.protection.protection_plugins.network.restoration.groups import (
    restore_groups,
)
from karbor.services.protection.protection_plugins.network.restoration.locks import (
    alone,
)
from karbor.services.protection.protection_plugins.network.restoration.networks import (
    open_pools,
    restore_network,
    restore_subnets,
)
from karbor.services.protection.protection_plugins.network.restoration.outside import (
    Outside,
)
from karbor.services.protection.protection_plugins.network.restoration.ports import (
    restore_ports,
)
from karbor.services.protection.protection_plugins.network.restoration.removal import (
    Removal,
)
from karbor.services.protection.protection_plugins.network.restoration.routers import (
    restore_interfaces,
    restore_routers,
)
from karbor.services.protection.protection_plugins.network.restoration.routes import (
    restore_routes,
)
from karbor.services.protection.protection_plugins.network.restoration.target import (
    Target,
)
from karbor.services.protection.protection_plugins.network.settings import (
    NetworkSettings,
)
from karbor.services.protection.protection_plugins.network.topology import Topology
from karbor.services.protection.protection_plugins.records import report
from karbor.services.protection.protection_plugins.remarks import Remarks


class RestoreOperation(Operation):
    """Uses what is still there under its original id, and makes the rest.

    What is made carries the restore's id and the original's as tags, so a second run
    finds it, and so does the hook of another network that shares it: a router or a
    security group is made once.
    """

    def __init__(self, settings: NetworkSettings) -> None:
        self._settings = settings

    def on_main(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        record = kwargs.get("restore")
        remarks = Remarks.of(record, resource)
        report(record, resource, constants.RESOURCE_STATUS_RESTORING, str(remarks))
        section = checkpoint.get_resource_bank_section(resource.id, is_writable=False)
        with failing(exception.RestoreResourceFailed, NAME, resource, record):
            topology = Topology.load(section)
            target = self._target(checkpoint, context, kwargs, remarks)
            outside = Outside.from_parameters(target, parameters)
            with alone(target.marks.operation_id):
                restore_groups(target, topology)
                restore_routers(
                    target, topology, outside, _others(checkpoint, resource)
                )
            for network in topology.networks:
                name = parameters.get("restore_name") or network["name"]
                new = restore_network(target, topology, network, outside, name)
                restore_subnets(target, topology, network, new)
                there = restore_ports(target, topology, network, new)
                restore_interfaces(target, topology, network, new, there)
        report(
            record, resource, constants.RESOURCE_STATUS_AVAILABLE, str(target.remarks)
        )

    def on_complete(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        record = kwargs.get("restore")
        section = checkpoint.get_resource_bank_section(resource.id, is_writable=False)
        with failing(exception.RestoreResourceFailed, NAME, resource, record):
            topology = Topology.load(section)
            target = self._target(
                checkpoint, context, kwargs, Remarks.of(record, resource)
            )
            with alone(target.marks.operation_id):
                restore_routes(target, topology, _others(checkpoint, resource))
            for network in topology.networks:
                open_pools(target, topology, network)
            restore_floating_ips(target, topology)
        report(
            record, resource, constants.RESOURCE_STATUS_AVAILABLE, str(target.remarks)
        )

    def on_revert(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        section = checkpoint.get_resource_bank_section(resource.id, is_writable=False)
        topology = Topology.find(section)
        if topology is None:
            return
        record = kwargs.get("restore")
        remarks = Remarks.of(record, resource)
        # Whoever ends the restore tells what became of it, unless it is kept.
        report(record, resource, constants.RESOURCE_STATUS_RESTORING, str(remarks))
        target = self._target(checkpoint, context, kwargs, remarks)
        with alone(target.marks.operation_id):
            users = Removal(target, topology).run()
        if users:
            target.remarks.add(
                _(
                    "It was kept with its routers and security groups, though the "
                    "restore failed: %s is on it"
                )
                % ", ".join(users)
            )
            report(
                record,
                resource,
                constants.RESOURCE_STATUS_AVAILABLE,
                str(target.remarks),
            )

    def _target(
        self,
        checkpoint: Any,
        context: RequestContext,
        kwargs: dict[str, Any],
        remarks: Remarks,
    ) -> Target:
        record = kwargs.get("restore")
        new_ids: MutableMapping[str, str] = kwargs.get("new_resources", {})
        return Target(
            neutron=self._settings.neutron(context),
            project_id=context.token_project_id or "",
            marks=Marks(str(record.id if record is not None else checkpoint.id)),
            new_ids=new_ids,
            remarks=remarks,
        )


def _others(checkpoint: Any, resource: Resource) -> set[str]:
    """The ids of the other networks of the checkpoint, which are restored too."""
    graph = checkpoint.resource_graph
    if graph is None:
        return set()
    return {
        other.id
        for other in graph.resources
        if other.type == resource.type and other.id != resource.id
    }
