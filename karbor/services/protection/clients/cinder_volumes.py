# SPDX-License-Identifier: Apache-2.0
"""Volumes of a Cinder as plain dicts.

Fields are as the Block Storage API v3 documents them.
"""

import urllib.parse
from collections.abc import Iterable
from typing import Any

from karbor.services.protection.clients.faults import ServiceFailed, calling

#: What Cinder calls a volume's owner.
OWNER = "os-vol-tenant-attr:tenant_id"


class Volumes:
    """The volumes that a Cinder client's user sees.

    :param client: as ``ClientFactory.create_client('cinder', …)`` gives
    """

    #: Up to so many are asked for one by one, rather than listing a project's.
    few = 3

    def __init__(self, client: Any) -> None:
        self._client = client

    def get(self, volume_id: str) -> dict[str, Any] | None:
        """One volume; None when it does not exist or is another's.

        :raises ServiceFailed: when Cinder cannot be asked
        """
        try:
            with calling("Cinder", f"show volume {volume_id}"):
                found = self._client.volumes.get(urllib.parse.quote(volume_id, safe=""))
        except ServiceFailed as error:
            if error.is_missing:
                return None
            raise
        return dict(found.to_dict())

    def get_many(self, volume_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Those of the volumes that exist, by their ids; one call for each.

        :raises ServiceFailed: when Cinder cannot be asked
        """
        found = {volume_id: self.get(volume_id) for volume_id in volume_ids}
        return {name: volume for name, volume in found.items() if volume is not None}

    def of_project(self, project_id: str, *, all_tenants: bool) -> list[dict[str, Any]]:
        """The volumes of a project, from all pages.

        :param all_tenants: whether the project is another than the caller's. To a
            caller who is no admin Cinder then gives the caller's own.
        :raises ServiceFailed: when Cinder cannot be asked
        """
        options = {"all_tenants": 1, "project_id": project_id} if all_tenants else None
        with calling("Cinder", f"list the volumes of project {project_id}"):
            found = self._client.volumes.list(detailed=True, search_opts=options)
        return [dict(volume.to_dict()) for volume in found]
