# SPDX-License-Identifier: Apache-2.0
"""Finds shares: those of a project."""

from collections.abc import Iterable
from typing import Any

from karbor.common import constants
from karbor.context import RequestContext
from karbor.i18n import _
from karbor.services.protection.client_factory import ClientFactory
from karbor.services.protection.clients.faults import ServiceFailed, calling
from karbor.services.protection.clients.manila_shares import (
    PAGE_SIZE,
    SERVICE,
    Shares,
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

#: https://docs.openstack.org/api-ref/shared-file-system/#shares
STATES = States(
    protectable=frozenset(
        {
            "available",
            "backup_creating",
            "extending",
            "migrating",
            "migrating_to",
            "replication_change",
            "server_migrating",
            "shrinking",
        }
    ),
    absent=frozenset(
        {
            "creating",
            "creating_from_snapshot",
            "deferred_deleting",
            "deleting",
            "error_deferred_deleting",
            "error_deleting",
            "unmanaging",
        }
    ),
)

#: What Manila calls a share's owner.
OWNER = "project_id"

#: So many times a list is read from its beginning when it changes while it is read.
_TRIES = 5


class ShareProtectablePlugin(ListedProtectablePlugin):
    """``OS::Manila::Share``. A project depends on the shares that it owns."""

    service = "manila"
    resource_type = constants.SHARE_RESOURCE_TYPE
    states = STATES

    def _open(self, context: RequestContext) -> Listing:
        client = ClientFactory.create_client("manila", context, self._configuration)
        return Listing(context, _Manila(Shares(client, context)), OWNER)

    def _extra_info(self, thing: Thing) -> dict[str, Any] | None:
        zone = thing.get("availability_zone")
        return {"availability_zone": zone} if zone else None


class _Manila:
    """The shares of a Manila as a listing asks for them."""

    few = Shares.few

    def __init__(self, shares: Shares) -> None:
        self._shares = shares

    def get_many(self, ids: Iterable[str]) -> dict[str, Thing]:
        return one_by_one(self._shares.get, ids)

    def of_project(self, project_id: str, *, all_tenants: bool) -> list[Thing]:
        query: dict[str, Any] = {"is_public": False}
        if all_tenants:
            query |= {"all_tenants": 1, "project_id": project_id}
        for _try in range(_TRIES):
            found = self._read(project_id, query)
            if found is not None:
                return found
        raise ServiceFailed(
            service=SERVICE,
            action=f"list the shares of project {project_id}",
            reason=_(
                "shares were deleted each of the %d times that the list was read; try "
                "again"
            )
            % _TRIES,
            retryable=True,
        )

    def _read(self, project_id: str, query: dict[str, Any]) -> list[Thing] | None:
        """The shares from all pages; None when one was deleted while they were read.

        Manila pages by numbers, so a share that goes moves all after it, and would move
        one of them out of sight: where it can, a page begins with the last share of
        the page before. How many it gives says nothing: Manila may be set to give
        fewer, and a share takes a place for each of its replicas.
        """
        found: dict[str, Thing] = {}
        offset, begins_known = 0, False
        while True:
            # Made anew for each page: manilaclient takes keys out of it.
            wanted = {**query, "limit": PAGE_SIZE, "offset": offset}
            with calling(SERVICE, f"list the shares of project {project_id}"):
                page = self._shares.client.shares.list(
                    detailed=True, search_opts=wanted, sort_key="id", sort_dir="asc"
                )
            shares = [dict(share.to_dict()) for share in page]
            if begins_known and (not shares or shares[0]["id"] not in found):
                return None
            if not shares:
                return list(found.values())
            found.update((share["id"], share) for share in shares)
            begins_known = len(shares) > 1
            offset += len(shares) - 1 if begins_known else 1
