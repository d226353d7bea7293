# SPDX-License-Identifier: Apache-2.0
"""Deleting what a failed restore has made, in the reverse of the order of making."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from oslo_log import log as logging

from karbor.services.protection.clients.faults import ServiceFailed
from karbor.services.protection.clients.neutron_networks import (
    DEFAULT_GROUP,
    OWN_PREFIX,
    OWNER,
    SERVER_PREFIX,
    Kind,
)
from karbor.services.protection.protection_plugins.network.restoration.addresses import (  # noqa: E501
    is_within,
)
from karbor.services.protection.protection_plugins.network.restoration.target import (
    Target,
)
from karbor.services.protection.protection_plugins.network.topology import (
    Thing,
    Topology,
    is_default_group,
    is_interface,
)
from karbor.services.protection.protection_plugins.removal import left_behind

LOG = logging.getLogger(__name__)


class Removal:
    """Deletes what a restore has made of one topology.

    What it shares with other networks of the restore goes with the last of them. Runs
    alone in its restore.
    """

    def __init__(self, target: Target, topology: Topology) -> None:
        self._target = target
        self._topology = topology
        self._left: list[str] = []

    def run(self) -> list[str]:
        """Delete it all, going on where something refuses.

        Nothing of it when something else is on it by now, such as a server that the
        restore completed and that stays: without its router it would be cut off.

        :returns: what is on it; empty when it was deleted
        :raises LeftBehind: naming what is still there, and why
        :raises ServiceFailed: when Neutron cannot be asked
        """
        topology = self._topology
        routers = self._made(Kind.ROUTER, topology.routers)
        networks = self._made(Kind.NETWORK, topology.networks)
        subnets = self._made(Kind.SUBNET, topology.subnets)
        ports = self._ports(networks, routers)
        users = self._users()
        ends = {one["id"] for one in (*networks, *subnets)}
        mine = [port for port in users if not ends.isdisjoint(_ends_of(port))]
        if mine:
            return sorted({_user(port) for port in mine})
        self._remove_routes(ports)
        for port in ports:
            if is_interface(port):
                self._take_off(port)
            else:
                self._delete(Kind.PORT, port)
        for router in routers:
            self._delete_shared(Kind.ROUTER, router)
        for subnet in subnets:
            self._delete(Kind.SUBNET, subnet)
        for network in networks:
            self._delete(Kind.NETWORK, network)
        # Rules of a group that is in use may refer to one that is not.
        if not users:
            for group in self._made(Kind.SECURITY_GROUP, topology.security_groups):
                self._delete_shared(Kind.SECURITY_GROUP, group)
            self._remove_default_rules()
        if self._left:
            raise left_behind(self._left)
        return []

    def _users(self) -> list[Thing]:
        """The ports on anything of the restore that neither it nor Neutron made."""
        neutron, target = self._target.neutron, self._target
        made = {
            kind: neutron.list(
                kind, tags=target.marks.restore_tag, **{OWNER: target.project_id}
            )
            for kind in (Kind.NETWORK, Kind.SUBNET)
        }
        ends = {one["id"] for things in made.values() for one in things}
        on = {one["id"] for one in made[Kind.NETWORK]}
        on.update(one["network_id"] for one in made[Kind.SUBNET])
        return [
            port
            for port in neutron.by_ids(Kind.PORT, on, field="network_id").values()
            if not port["device_owner"].startswith(OWN_PREFIX)
            and (_is_servers(port) or not target.is_made(port))
            and not ends.isdisjoint(_ends_of(port))
        ]

    def _made(self, kind: Kind, originals: Iterable[Thing]) -> list[Thing]:
        return list(self._target.find_made(kind, originals).values())

    def _ports(
        self, networks: Iterable[Thing], routers: Iterable[Thing]
    ) -> list[Thing]:
        """Those that were made, and whatever joins what was made to routers."""
        neutron = self._target.neutron
        found = {one["id"]: one for one in self._made(Kind.PORT, self._topology.ports)}
        made = {one["id"] for one in networks}
        on_made = neutron.by_ids(Kind.PORT, made, field="network_id")
        of_made = neutron.by_ids(
            Kind.PORT, (one["id"] for one in routers), field="device_id"
        )
        ours = {*made, *(one["id"] for one in self._topology.networks)}
        found.update(
            (name, one)
            for name, one in (on_made | of_made).items()
            if is_interface(one) and one["network_id"] in ours
        )
        return list(found.values())

    def _remove_routes(self, ports: Iterable[Thing]) -> None:
        """Neutron keeps an interface that a route leads over."""
        leaving = {port["device_id"] for port in ports if is_interface(port)}
        cidrs = [subnet["cidr"] for subnet in self._topology.subnets]
        neutron = self._target.neutron
        for router in neutron.by_ids(Kind.ROUTER, leaving).values():
            routes = router.get("routes") or []
            kept = [
                route
                for route in routes
                if not any(is_within(route["nexthop"], cidr) for cidr in cidrs)
            ]
            if kept != routes:
                with self._noting(Kind.ROUTER, router):
                    neutron.update(Kind.ROUTER, router["id"], {"routes": kept})

    def _take_off(self, port: Thing) -> None:
        with self._noting(Kind.PORT, port):
            self._target.neutron.remove_interface(port["device_id"], port["id"])
            self._forget(port)

    def _delete(self, kind: Kind, thing: Thing) -> None:
        with self._noting(kind, thing):
            self._target.neutron.delete(kind, thing["id"])
            self._forget(thing)

    def _delete_shared(self, kind: Kind, thing: Thing) -> None:
        try:
            self._target.neutron.delete(kind, thing["id"])
        except ServiceFailed as error:
            if not error.is_conflict:
                self._note(kind, thing, error)
                return
            LOG.info(
                "The %s %s of a failed restore is still in use, and goes with what "
                "uses it: %s",
                kind.label,
                thing["id"],
                error,
            )
            return
        self._forget(thing)

    def _remove_default_rules(self) -> None:
        """The rules that the target's default group got."""
        if not any(is_default_group(one) for one in self._topology.security_groups):
            return
        neutron = self._target.neutron
        mine = {OWNER: self._target.project_id}
        for group in neutron.list(Kind.SECURITY_GROUP, name=DEFAULT_GROUP, **mine):
            for rule in neutron.list(Kind.RULE, security_group_id=group["id"]):
                if self._target.marks.restore_tag in (rule["description"] or ""):
                    self._delete(Kind.RULE, rule)

    @contextmanager
    def _noting(self, kind: Kind, thing: Thing) -> Iterator[None]:
        """Note what refuses, and let the rest go on."""
        try:
            yield
        except ServiceFailed as error:
            self._note(kind, thing, error)

    def _note(self, kind: Kind, thing: Thing, error: ServiceFailed) -> None:
        self._left.append(f"{kind.label} {thing['id']} ({error})")

    def _forget(self, thing: Thing) -> None:
        """Nothing stands for the original any more."""
        new_ids = self._target.new_ids
        for original in [old for old, new in new_ids.items() if new == thing["id"]]:
            del new_ids[original]


def _ends_of(port: Thing) -> set[str]:
    """The network and the subnets that a port is on."""
    return {port["network_id"], *(end["subnet_id"] for end in port["fixed_ips"])}


def _is_servers(port: Thing) -> bool:
    return bool(port["device_owner"].startswith(SERVER_PREFIX))


def _user(port: Thing) -> str:
    if _is_servers(port):
        return f"server {port['device_id']}"
    return f"port {port['id']}"
