# SPDX-License-Identifier: Apache-2.0
"""Finds database instances: those of a project."""

from collections.abc import Iterable

from karbor.common import constants
from karbor.context import RequestContext
from karbor.services.protection.client_factory import ClientFactory
from karbor.services.protection.clients.faults import calling
from karbor.services.protection.clients.trove_databases import (
    PAGE_SIZE,
    SERVICE,
    Instances,
)
from karbor.services.protection.protectable_plugins.listed import (
    ListedProtectablePlugin,
    States,
)
from karbor.services.protection.protectable_plugins.listing import (
    Listing,
    Thing,
    one_by_one,
)

#: https://docs.openstack.org/api-ref/database/#instance-status
#: SHUTDOWN is in neither set: an instance that is being deleted has it, and one whose
#: database has stopped.
STATES = States(
    protectable=frozenset(
        {
            "ACTIVE",
            "BACKUP",
            "DETACH",
            "EJECT",
            "HEALTHY",
            "LOGGING",
            "PROMOTE",
            "REBOOT",
            "RESIZE",
            "RESTART_REQUIRED",
            "UPGRADE",
        }
    ),
    absent=frozenset({"BUILD", "NEW"}),
)

#: What Trove calls an instance's owner, where it tells.
OWNER = "tenant_id"


class DatabaseInstanceProtectablePlugin(ListedProtectablePlugin):
    """``OS::Trove::Instance``. A project depends on the instances that it owns.

    Members of a cluster are not among them: Trove backs none of them up by itself.
    """

    service = "trove"
    resource_type = constants.DATABASE_RESOURCE_TYPE
    states = STATES

    def _open(self, context: RequestContext) -> Listing:
        client = ClientFactory.create_client("trove", context, self._configuration)
        return Listing(context, _Trove(Instances(client, context)), OWNER)


class _Trove:
    """The instances of a Trove as a listing asks for them."""

    few = Instances.few

    def __init__(self, instances: Instances) -> None:
        self._instances = instances

    def get_many(self, ids: Iterable[str]) -> dict[str, Thing]:
        return one_by_one(self._instances.get, ids)

    def of_project(self, project_id: str, *, all_tenants: bool) -> list[Thing]:
        if not all_tenants:
            return list(self._instances.all())
        # Only Trove's management API, which is for admins, knows other projects'. One
        # that does not take the project gives those of all.
        found: list[Thing] = []
        marker = None
        while True:
            with calling(SERVICE, f"list the instances of project {project_id}"):
                page = self._instances.client.mgmt_instances.list(
                    limit=PAGE_SIZE, marker=marker, project_id=project_id
                )
            found += (dict(one.to_dict()) for one in page)
            marker = page.next
            if not marker:
                return [one for one in found if one[OWNER] == project_id]
