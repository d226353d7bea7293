# SPDX-License-Identifier: Apache-2.0
"""Which networks a restored database gets in place of those that it had."""

from collections.abc import Generator, Hashable, Mapping, Sequence
from typing import Any, ClassVar

from karbor import exception
from karbor.common import constants
from karbor.context import RequestContext
from karbor.i18n import _
from karbor.services.protection.client_factory import ClientFactory
from karbor.services.protection.clients.neutron_networks import Kind, Neutron
from karbor.services.protection.protection_plugins.database.saved_database import (
    SavedDatabase,
)
from karbor.services.protection.protection_plugins.database.settings import (
    DatabaseSettings,
)
from karbor.services.protection.waiting.until import (
    Thing,
    Things,
    Until,
    Verdict,
)


def nics_for(
    settings: DatabaseSettings,
    context: RequestContext,
    checkpoint: Any,
    saved: SavedDatabase,
    new_resources: Mapping[str, str],
) -> Generator[Until, Any, list[dict[str, str]]]:
    """The networks of the new instance, as Trove takes them.

    A network that this restore replaces is waited for: nothing orders the hooks of a
    database and a network, which are both children of the project.

    :raises KarborException: when a network is gone, and is not restored either
    """
    if not saved.networks:
        return []
    neutron = Neutron(ClientFactory.create_client("neutron", context, settings.conf))
    found = []
    for network_id in saved.networks:
        replaced: str | None = new_resources.get(network_id)
        if replaced is None and neutron.get(Kind.NETWORK, network_id) is None:
            if not _is_restored(checkpoint, network_id):
                raise exception.InvalidInput(
                    reason=_(
                        "network %s, which the instance had, does not exist here. "
                        "Name others by restore_nics"
                    )
                    % network_id
                )
            thing = yield _until_replaced(settings, network_id, new_resources)
            replaced = thing["replaced_by"]
        found.append({"network_id": replaced or network_id})
    return found


def _is_restored(checkpoint: Any, network_id: str) -> bool:
    graph = checkpoint.resource_graph
    return graph is not None and any(
        one.type == constants.NETWORK_RESOURCE_TYPE and one.id == network_id
        for one in graph.resources
    )


class _Replacements(Things):
    """What a restore has replaced, by the original id."""

    kind: ClassVar[str] = "restored network in place of"

    def __init__(self, new_resources: Mapping[str, str]) -> None:
        self._new_resources = new_resources

    @property
    def key(self) -> Hashable:
        return (self.kind, id(self._new_resources))

    def find(self, ids: Sequence[str]) -> Mapping[str, Thing]:
        return {
            name: {"replaced_by": self._new_resources[name]}
            for name in ids
            if name in self._new_resources
        }


def _until_replaced(
    settings: DatabaseSettings, network_id: str, new_resources: Mapping[str, str]
) -> Until:
    return settings.patience.until(
        _Replacements(new_resources), network_id, _is_there, goal=_("there")
    )


def _is_there(status: str | None, thing: Thing | None) -> Verdict:
    return Verdict.NOT_YET if thing is None else Verdict.READY
