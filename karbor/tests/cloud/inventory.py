# SPDX-License-Identifier: Apache-2.0
"""What a project has in every service: to compare, and to delete it all."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator
from typing import Any

from keystoneauth1.exceptions import HttpError
from openstack.connection import Connection
from openstack.exceptions import HttpException

#: Says what a thing is called, for listings: its id, and its name where it has one.
Thing = tuple[str, str]

_PATIENCE = 120


@dataclasses.dataclass(frozen=True)
class Kind:
    """One kind of thing.

    :ivar things: those of a connection's project
    :ivar delete: deletes one by its id; the service may finish that later
    """

    name: str
    things: Callable[[Connection], Iterator[Thing]]
    delete: Callable[[Connection, str], Any]


def listing(connection: Connection) -> dict[str, set[Thing]]:
    """All that the project of a connection has, by kind; kinds it lacks are left out.

    Two listings are equal when nothing was added, lost or renamed in between.
    """
    found = {kind.name: set(kind.things(connection)) for kind in KINDS}
    return {name: things for name, things in found.items() if things}


def purge(connection: Connection) -> None:
    """Delete all that the project of a connection has, users of a thing first.

    :raises AssertionError: naming what does not go away
    """
    for kind in KINDS:
        give_up = time.monotonic() + _PATIENCE
        while left := set(kind.things(connection)):
            assert time.monotonic() < give_up, f"{kind.name} stay: {left}"
            for thing_id, _ in left:
                # What is refused is being deleted, or used by what is: try again.
                with contextlib.suppress(HttpException, HttpError):
                    kind.delete(connection, thing_id)
            time.sleep(0.3)


def _resources(service: str, plural: str, **query: Any) -> Callable[..., Any]:
    """A listing by openstacksdk."""

    def things(connection: Connection) -> Iterator[Thing]:
        for one in getattr(getattr(connection, service), plural)(**query):
            yield one.id, one.name or ""

    return things


def _own(plural: str) -> Callable[[Connection], Iterator[Thing]]:
    """A listing of networking, which shows shared things of others too."""

    def things(connection: Connection) -> Iterator[Thing]:
        project = connection.current_project_id
        for one in getattr(connection.network, plural)(project_id=project):
            yield one.id, one.name or ""

    return things


def _answers(service_type: str, path: str, key: str, id_key: str = "id") -> Any:
    """A listing by REST, of what openstacksdk does not know."""

    def things(connection: Connection) -> Iterator[Thing]:
        for one in _rest(connection, "GET", service_type, path).json()[key]:
            yield one[id_key], one.get("name") or one.get("description") or ""

    return things


def _deleted(service: str, method: str) -> Callable[[Connection, str], Any]:
    return lambda connection, one: getattr(getattr(connection, service), method)(one)


def _deleted_at(service_type: str, path: str) -> Callable[[Connection, str], Any]:
    return lambda connection, one: _rest(
        connection, "DELETE", service_type, f"{path}/{one}"
    )


def _rest(connection: Connection, method: str, service_type: str, path: str) -> Any:
    return connection.session.request(
        path.format(project=connection.current_project_id),
        method,
        endpoint_filter={
            "service_type": service_type,
            "region_name": connection.config.get_region_name(),
        },
    )


def _images(connection: Connection) -> Iterator[Thing]:
    for image in connection.image.images(owner=connection.current_project_id):
        yield image.id, image.name or ""


def _ports(connection: Connection) -> Iterator[Thing]:
    """Those that can be deleted by themselves; a router's go with its interface."""
    project = connection.current_project_id
    for port in connection.network.ports(project_id=project):
        if not (port.device_owner or "").startswith("network:router"):
            yield port.id, port.name or ""


def _security_groups(connection: Connection) -> Iterator[Thing]:
    """Without the one that every project has."""
    for group_id, name in _own("security_groups")(connection):
        if name != "default":
            yield group_id, name


def _delete_router(connection: Connection, router: str) -> None:
    # Neutron keeps an interface that a route leads over.
    connection.network.update_router(router, routes=[])
    for port in connection.network.ports(device_id=router):
        if port.device_owner == "network:router_interface":
            connection.network.remove_interface_from_router(router, port=port.id)
    connection.network.delete_router(router)


def _objects(connection: Connection) -> Iterator[Thing]:
    for container in connection.object_store.containers():
        for one in connection.object_store.objects(container.name):
            yield f"{container.name}/{one.name}", ""


def _delete_object(connection: Connection, path: str) -> None:
    container, _, name = path.partition("/")
    connection.object_store.delete_object(name, container=container)


def _containers(connection: Connection) -> Iterator[Thing]:
    for container in connection.object_store.containers():
        yield container.name, ""


def _trusts(connection: Connection) -> Iterator[Thing]:
    user = connection.current_user_id
    for trust in connection.identity.trusts(trustor_user_id=user):
        yield trust.id, ""


def _credentials(connection: Connection) -> Iterator[Thing]:
    user = connection.current_user_id
    for credential in connection.identity.application_credentials(user):
        yield credential.id, credential.name


#: In an order in which they can be deleted.
KINDS = (
    Kind(
        "database instances",
        _resources("database", "instances"),
        _deleted("database", "delete_instance"),
    ),
    Kind(
        "database backups",
        _answers("database", "/backups", "backups"),
        _deleted_at("database", "/backups"),
    ),
    Kind(
        "servers",
        _resources("compute", "servers", details=False),
        _deleted("compute", "delete_server"),
    ),
    Kind(
        "server groups",
        _resources("compute", "server_groups"),
        _deleted("compute", "delete_server_group"),
    ),
    Kind(
        "keypairs",
        _resources("compute", "keypairs"),
        _deleted("compute", "delete_keypair"),
    ),
    Kind("floating addresses", _own("ips"), _deleted("network", "delete_ip")),
    Kind("routers", _own("routers"), _delete_router),
    Kind("ports", _ports, _deleted("network", "delete_port")),
    Kind("subnets", _own("subnets"), _deleted("network", "delete_subnet")),
    Kind("networks", _own("networks"), _deleted("network", "delete_network")),
    Kind(
        "security groups",
        _security_groups,
        _deleted("network", "delete_security_group"),
    ),
    Kind(
        "volume backups",
        _resources("block_storage", "backups", details=False),
        _deleted("block_storage", "delete_backup"),
    ),
    Kind(
        "volume snapshots",
        _resources("block_storage", "snapshots", details=False),
        _deleted("block_storage", "delete_snapshot"),
    ),
    Kind(
        "volumes",
        _resources("block_storage", "volumes", details=False),
        _deleted("block_storage", "delete_volume"),
    ),
    Kind("images", _images, _deleted("image", "delete_image")),
    Kind(
        "share snapshots",
        _resources("shared_file_system", "share_snapshots", details=False),
        _deleted("shared_file_system", "delete_share_snapshot"),
    ),
    Kind(
        "shares",
        _resources("shared_file_system", "shares", details=False),
        _deleted("shared_file_system", "delete_share"),
    ),
    Kind(
        "backup jobs",
        _answers("backup", "/v2/{project}/jobs", "jobs", "job_id"),
        _deleted_at("backup", "/v2/{project}/jobs"),
    ),
    Kind(
        "backup actions",
        _answers("backup", "/v2/{project}/actions", "actions", "action_id"),
        _deleted_at("backup", "/v2/{project}/actions"),
    ),
    Kind("objects", _objects, _delete_object),
    Kind("containers", _containers, _deleted("object_store", "delete_container")),
    Kind("trusts", _trusts, _deleted("identity", "delete_trust")),
    Kind(
        "application credentials",
        _credentials,
        lambda connection, one: connection.identity.delete_application_credential(
            connection.current_user_id, one
        ),
    ),
)
