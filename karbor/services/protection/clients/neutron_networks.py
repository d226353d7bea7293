# SPDX-License-Identifier: Apache-2.0
"""What a Neutron has, as plain dicts, for the plugins that deal with it.

Fields are as the Networking API v2.0 documents them.
"""

import enum
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from neutronclient.common import exceptions as neutron_errors

from karbor.services.protection.clients.faults import ServiceFailed, calling
from karbor.services.protection.clients.missing import is_done_or_missing

#: Things of one answer; Neutron says where the next page is.
PAGE_SIZE = 500
#: Ids named in one query: a URL of 50 stays under 2,500 characters.
IDS_PER_QUERY = 50

#: What Neutron calls the owner of a thing.
OWNER = "project_id"
EXTERNAL = "router:external"
#: The name of the security group that each project has from the beginning.
DEFAULT_GROUP = "default"

#: The ``device_owner`` of a port that joins a network to a router.
INTERFACE_OWNERS = frozenset(
    {
        "network:router_interface",
        "network:router_interface_distributed",
        "network:ha_router_replicated_interface",
    }
)
#: How the ``device_owner`` of a port that Neutron makes for itself begins.
OWN_PREFIX = "network:"
#: How the ``device_owner`` of a server's port begins.
SERVER_PREFIX = "compute:"

#: The modes of IPv6 subnets in which an address follows from the port's MAC.
#: https://docs.openstack.org/neutron/latest/admin/config-ipv6.html
_DYNAMIC_MODES = frozenset({"slaac", "dhcpv6-stateless"})


class Kind(enum.StrEnum):
    """A kind of thing, as the API names one."""

    NETWORK = "network"
    SUBNET = "subnet"
    ROUTER = "router"
    PORT = "port"
    SECURITY_GROUP = "security_group"
    RULE = "security_group_rule"
    ADDRESS_GROUP = "address_group"
    FLOATING_IP = "floatingip"

    @property
    def plural(self) -> str:
        """As the API names many of them."""
        return f"{self.value}s"

    @property
    def path(self) -> str:
        """Where the API has them."""
        return "/" + self.plural.replace("_", "-")

    @property
    def label(self) -> str:
        """As people read it."""
        return _LABELS.get(self.value, self.value.replace("_", " "))


_LABELS = {"floatingip": "floating address"}


class Neutron:
    """All that a Neutron client's user sees.

    :param client: as ``ClientFactory.create_client('neutron', …)`` gives
    """

    def __init__(self, client: Any, page_size: int = PAGE_SIZE) -> None:
        self._client = client
        self._page_size = page_size

    def list(self, kind: Kind, **filters: Any) -> list[dict[str, Any]]:
        """Those things of a kind that fit, from all pages.

        :param filters: a field and its value, or a list of values of which one fits;
            at most :data:`IDS_PER_QUERY` of them
        :raises ServiceFailed: when Neutron cannot be asked
        """
        with calling("Neutron", f"list {kind.label}s"):
            found = self._client.list(
                kind.plural, kind.path, limit=self._page_size, **filters
            )
        return list(found[kind.plural])

    def by_ids(
        self, kind: Kind, ids: Iterable[str], *, field: str = "id"
    ) -> dict[str, dict[str, Any]]:
        """Those of the named things that the caller sees, by their ids.

        :param field: that has one of the ids, such as ``network_id``
        :raises ServiceFailed: when Neutron cannot be asked
        """
        found: dict[str, dict[str, Any]] = {}
        for piece in _pieces(ids):
            found.update((one["id"], one) for one in self.list(kind, **{field: piece}))
        return found

    def get(self, kind: Kind, thing_id: str) -> dict[str, Any] | None:
        """One thing; None when it does not exist or is another's.

        :raises ServiceFailed: when Neutron cannot be asked
        """
        return self.by_ids(kind, [thing_id]).get(thing_id)

    def create(self, kind: Kind, fields: Mapping[str, Any]) -> dict[str, Any]:
        """A new thing.

        :raises ServiceFailed: when Neutron refuses it
        """
        name = fields.get("name")
        action = f"create {kind.label} '{name}'" if name else f"create a {kind.label}"
        with calling("Neutron", action):
            made = self._client.post(kind.path, body={kind.value: dict(fields)})
        return dict(made[kind.value])

    def create_many(self, kind: Kind, fields: Iterable[Mapping[str, Any]]) -> None:
        """New things by one call: all of them, or none.

        :raises ServiceFailed: when Neutron refuses one of them
        """
        body = {kind.plural: [dict(one) for one in fields]}
        with calling("Neutron", f"create {len(body[kind.plural])} {kind.label}s"):
            self._client.post(kind.path, body=body)

    def update(
        self, kind: Kind, thing_id: str, fields: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Set fields of a thing; gives all of it.

        :raises ServiceFailed: when Neutron refuses it
        """
        body = {kind.value: dict(fields)}
        with calling("Neutron", f"change {kind.label} {thing_id}"):
            changed = self._client.put(f"{kind.path}/{thing_id}", body=body)
        return dict(changed[kind.value])

    def delete(self, kind: Kind, thing_id: str) -> bool:
        """Delete a thing.

        :returns: False when it did not exist
        :raises ServiceFailed: when Neutron refuses it
        """
        return is_done_or_missing(
            "Neutron",
            f"delete {kind.label} {thing_id}",
            lambda: self._client.delete(f"{kind.path}/{thing_id}"),
        )

    def set_tags(self, kind: Kind, thing_id: str, tags: Iterable[str]) -> None:
        """Give a thing just these tags.

        :raises ServiceFailed: when Neutron refuses it
        """
        with calling("Neutron", f"tag {kind.label} {thing_id}"):
            body = {"tags": sorted(tags)}
            self._client.put(f"{kind.path}/{thing_id}/tags", body=body)

    def add_interface(self, router_id: str, **end: str) -> str:
        """Join a router to a network.

        :param end: ``port_id`` of a port on the network, or ``subnet_id`` for a new
            port with the subnet's gateway address
        :returns: the id of the port
        :raises ServiceFailed: when Neutron refuses it
        """
        with calling("Neutron", f"join router {router_id} to {_text(end)}"):
            joined = self._client.add_interface_router(router_id, dict(end))
        return str(joined["port_id"])

    def remove_interface(self, router_id: str, port_id: str) -> bool:
        """Take a router off a network, and delete the port that joined them.

        :returns: False when they were not joined
        :raises ServiceFailed: when Neutron refuses it
        """
        return is_done_or_missing(
            "Neutron",
            f"take port {port_id} off router {router_id}",
            lambda: self._client.remove_interface_router(
                router_id, {"port_id": port_id}
            ),
        )


def is_dynamic(subnet: Mapping[str, Any]) -> bool:
    """Whether ports make their addresses in a subnet themselves: none may be chosen."""
    return subnet.get("ipv6_address_mode") in _DYNAMIC_MODES


def is_over_quota(error: ServiceFailed) -> bool:
    """Whether Neutron refused because the project has all it may have."""
    return isinstance(error.__cause__, neutron_errors.OverQuotaClient)


def _text(end: Mapping[str, str]) -> str:
    return " ".join(f"{name.removesuffix('_id')} {one}" for name, one in end.items())


def _pieces(ids: Iterable[str]) -> Iterator[list[str]]:
    wanted = sorted(set(ids))
    for start in range(0, len(wanted), IDS_PER_QUERY):
        yield wanted[start : start + IDS_PER_QUERY]
