# SPDX-License-Identifier: Apache-2.0
"""Deleting what a failed restore has made, in the reverse of the order of making."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from oslo_log import log as logging

from karbor import exception
from karbor.i18n import _
from karbor.services.protection.clients.faults import ServiceFailed
from karbor.services.protection.clients.neutron_networks import (
    DEFAULT_GROUP,
    OWNER,
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

LOG = logging.getLogger(__name__)


class LeftBehind(exception.KarborException):
    """Things that a restore made are still there."""

    message = _("These could not be deleted, which the restore had made: %(things)s")


class Removal:
    """Deletes what a restore has made of one topology.

    What it shares with other networks of the restore goes with the last of them. Runs
    alone in its restore.
    """

    def __init__(self, target: Target, topology: Topology) -> None:
        self._target = target
        self._topology = topology
        self._left: list[str] = []

    def run(self) -> None:
        """Delete it all, going on where something refuses.

        :raises LeftBehind: naming what is still there, and why
        :raises ServiceFailed: when Neutron cannot be asked
        """
        topology = self._topology
        routers = self._made(Kind.ROUTER, topology.routers)
        networks = self._made(Kind.NETWORK, topology.networks)
        subnets = self._made(Kind.SUBNET, topology.subnets)
        ports = self._ports(networks, routers)
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
        for group in self._made(Kind.SECURITY_GROUP, topology.security_groups):
            self._delete_shared(Kind.SECURITY_GROUP, group)
        self._remove_default_rules()
        if self._left:
            raise LeftBehind(things="; ".join(self._left))

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
