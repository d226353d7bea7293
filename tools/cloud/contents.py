# SPDX-License-Identifier: Apache-2.0
"""Waits until all services answer, and makes what a user expects to find.

Run by the cloud's own Python. Prints the id of the image.
"""

import logging
import os
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from keystoneauth1.exceptions import ClientException
from openstack.connection import Connection
from openstack.exceptions import SDKException, raise_from_response

from cloud.catalogue import connect
from cloud.settings import Settings

_SECONDS = 600

#: Name, memory in MiB and disk in GiB of each flavor.
_FLAVORS = (("m1.tiny", 64, 1), ("m1.small", 256, 2))
IMAGE = "cirros-fake"
_SHARE_VERSION = "2.40"


def main(since: str) -> None:
    """Wait, and make what is missing.

    :param since: heartbeats from before do not count, in UTC
    """
    logging.disable(logging.WARNING)
    connection = connect(Settings.load(Path(os.environ["KARBOR_CLOUD"])))
    _wait(_checks(connection, since))
    if not connection.block_storage.find_type("localfile"):
        connection.block_storage.create_type(
            name="localfile", extra_specs={"volume_backend_name": "localfile"}
        )
    for name, memory, disk in _FLAVORS:
        if not connection.compute.find_flavor(name):
            connection.compute.create_flavor(name=name, ram=memory, vcpus=1, disk=disk)
    _make_networks(connection)
    _make_share_type(connection)
    print(_make_image(connection))


def _wait(checks: dict[str, Callable[[], bool]]) -> None:
    give_up = time.monotonic() + _SECONDS
    reasons: dict[str, object] = {}
    while checks:
        for name, check in list(checks.items()):
            try:
                if check():
                    del checks[name]
            # An answer of a service that starts may be of any form.
            except (SDKException, ClientException, KeyError, ValueError) as error:
                reasons[name] = f"{type(error).__name__}: {error}"
        if time.monotonic() > give_up:
            left = {name: str(reasons.get(name, "")) for name in checks}
            sys.exit(f"Not ready after {_SECONDS} s: {left}")
        time.sleep(0.3)


def _checks(connection: Connection, since: str) -> dict[str, Callable[[], bool]]:
    """What tells of each service whether it is ready."""

    def are_up(rows: Iterable[tuple[str, str, str | None]], *wanted: str) -> bool:
        up = {
            name
            for name, state, heartbeat in rows
            if state == "up" and str(heartbeat or "") >= since
        }
        return up >= set(wanted)

    def shares() -> bool:
        answer = connection.shared_file_system.get("/services", microversion="2.7")
        raise_from_response(answer)
        rows = answer.json()["services"]
        return are_up(
            ((row["binary"], row["state"], row["updated_at"]) for row in rows),
            *("manila-scheduler", "manila-share"),
        )

    return {
        "image": lambda: list(connection.image.images(limit=1)) is not None,
        "network": lambda: list(connection.network.networks()) is not None,
        "object-store": lambda: list(connection.object_store.containers()) is not None,
        "volume": lambda: are_up(
            (
                (row.binary, row.state, row.updated_at)
                for row in connection.block_storage.services()
            ),
            *("cinder-scheduler", "cinder-volume", "cinder-backup"),
        ),
        "compute": lambda: are_up(
            (
                (row.binary, row.state, row.updated_at)
                for row in connection.compute.services()
            ),
            *("nova-conductor", "nova-scheduler", "nova-compute"),
        ),
        "hypervisor": lambda: any(connection.compute.hypervisors()),
        "placement": lambda: any(connection.placement.resource_providers()),
        "share": shares,
        "database": lambda: connection.database.get("/datastores").ok,
        "backup": lambda: _has_jobs(connection),
    }


def _has_jobs(connection: Connection) -> bool:
    """Whether Freezer lists jobs, of which openstacksdk knows nothing."""
    path = f"/v2/{connection.current_project_id}/jobs"
    return connection.session.get(path, endpoint_filter={"service_type": "backup"}).ok


def _make_networks(connection: Connection) -> None:
    """A network to the outside, one for all projects, and a router between them."""
    public, _ = _make_network(
        connection,
        "public",
        cidr="172.24.4.0/24",
        is_dhcp_enabled=False,
        is_router_external=True,
        provider_network_type="flat",
        provider_physical_network="public",
    )
    _, subnet = _make_network(connection, "private", cidr="10.0.0.0/24", is_shared=True)
    # Trove wants its instances' subnet on a router.
    network = connection.network
    owned = {"project_id": connection.current_project_id}
    router = next(network.routers(name="router1", **owned), None)
    if router is None:
        router = network.create_router(
            name="router1", external_gateway_info={"network_id": public.id}
        )
    interface = "network:router_interface"
    if not any(network.ports(device_id=router.id, device_owner=interface)):
        network.add_interface_to_router(router, subnet.id)


def _make_network(
    connection: Connection,
    name: str,
    *,
    cidr: str,
    is_dhcp_enabled: bool = True,
    **fields: Any,
) -> tuple[Any, Any]:
    """A network of the administrator's with a subnet, each unless it is there.

    A project may have one that is called the same.
    """
    neutron = connection.network
    owned = {"project_id": connection.current_project_id}
    network = next(neutron.networks(name=name, **owned), None)
    if network is None:
        network = neutron.create_network(name=name, **fields)
    subnet = next(neutron.subnets(network_id=network.id), None)
    if subnet is None:
        subnet = neutron.create_subnet(
            name=f"{name}-subnet",
            network_id=network.id,
            ip_version=4,
            cidr=cidr,
            is_dhcp_enabled=is_dhcp_enabled,
        )
    return network, subnet


def _make_share_type(connection: Connection) -> None:
    shares = connection.shared_file_system
    types = shares.get("/types", microversion=_SHARE_VERSION).json()["share_types"]
    if any(one["name"] == "default" for one in types):
        return
    extra_specs = {
        "driver_handles_share_servers": "false",
        "snapshot_support": "true",
        "create_share_from_snapshot_support": "true",
    }
    share_type = {"name": "default", "extra_specs": extra_specs}
    shares.post(
        "/types", microversion=_SHARE_VERSION, json={"share_type": share_type}
    ).raise_for_status()


def _make_image(connection: Connection) -> str:
    """The image to boot from; nothing runs in a server, so it may be zeros."""
    images = connection.image
    image = None
    for found in images.images(name=IMAGE, owner=connection.current_project_id):
        if found.status == "active":
            image = found
        else:
            # An 'up' that was cut off has not uploaded all of it.
            images.delete_image(found)
    if image is None:
        image = images.create_image(
            name=IMAGE,
            disk_format="raw",
            container_format="bare",
            visibility="public",
            data=bytes(1024 * 1024),
            validate_checksum=False,
        )
    return image.id


if __name__ == "__main__":
    main(sys.argv[1])
