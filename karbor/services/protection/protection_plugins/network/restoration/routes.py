# SPDX-License-Identifier: Apache-2.0
"""Restoring the static routes of routers, when all that they lead over is joined."""

from collections.abc import Collection

from karbor.i18n import _
from karbor.services.protection.clients.faults import ServiceFailed
from karbor.services.protection.clients.neutron_networks import Kind
from karbor.services.protection.protection_plugins.network.restoration.addresses import (  # noqa: E501
    is_within,
)
from karbor.services.protection.protection_plugins.network.restoration.target import (
    Target,
)
from karbor.services.protection.protection_plugins.network.topology import (
    Thing,
    Topology,
    title,
)
from karbor.services.protection.protection_plugins.wishes import (
    first_line,
)

_Route = tuple[str, str]


def restore_routes(target: Target, topology: Topology, others: Collection[str]) -> None:
    """Add the routes over the networks, and those over gateways, where they lack.

    Runs alone in its restore. Routes over another network of the restore are added
    when that one is completed.

    :param others: the ids of the other networks of the restore
    :raises ServiceFailed: when Neutron cannot be asked
    """
    wanted = {
        router["id"]: [
            route
            for route in router.get("routes") or ()
            if _is_ours(router, route, others)
        ]
        for router in topology.routers
    }
    routers = [one for one in topology.routers if wanted[one["id"]]]
    if not routers:
        return
    new_ids = {one["id"]: target.new_ids[one["id"]] for one in routers}
    there = target.neutron.by_ids(Kind.ROUTER, new_ids.values())
    for router in routers:
        thing = there.get(new_ids[router["id"]])
        if thing is None:
            target.remarks.add(
                _("The router %s was deleted while its networks were restored")
                % title(router)
            )
            continue
        _add(target, router, thing, wanted[router["id"]])


def _is_ours(router: Thing, route: Thing, others: Collection[str]) -> bool:
    """Whether no other network's restore adds the route."""
    return not any(
        interface["network_id"] in others
        and is_within(route["nexthop"], interface["cidr"])
        for interface in router["interfaces"]
    )


def _add(target: Target, router: Thing, thing: Thing, wanted: list[Thing]) -> None:
    routes = list(thing.get("routes") or ())
    there = {_key(one) for one in routes}
    missing = [one for one in wanted if _key(one) not in there]
    if not missing:
        return
    try:
        _set(target, thing, [*routes, *missing])
        return
    except ServiceFailed as error:
        if error.retryable:
            raise
    # One by one, as Neutron does not say which one it refuses.
    for route in missing:
        try:
            _set(target, thing, [*routes, route])
        except ServiceFailed as error:
            if error.retryable:
                raise
            target.remarks.add(
                _("The router %(router)s has no route to %(to)s by %(via)s: %(reason)s")
                % {
                    "router": title(router),
                    "to": route["destination"],
                    "via": route["nexthop"],
                    "reason": first_line(error),
                }
            )
        else:
            routes.append(route)


def _set(target: Target, thing: Thing, routes: list[Thing]) -> None:
    target.neutron.update(Kind.ROUTER, thing["id"], {"routes": routes})


def _key(route: Thing) -> _Route:
    return route["destination"], route["nexthop"]
