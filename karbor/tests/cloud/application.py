# SPDX-License-Identifier: Apache-2.0
"""A tenant's application as a test makes it, and all that can be compared of it."""

import hashlib
import os
from typing import Any

from karbor.tests.cloud.project import Project

#: The data volumes of the server from an image, by device.
DATA_DEVICES = ("/dev/vdb", "/dev/vdc")
_SECRET_PORT = 8443


class Application:
    """Two servers, one from an image and one from a volume, on a network of their own.

    :param project: to make it in
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self._compute = project.connection.compute
        self._network = project.connection.network

    def make(self) -> "Application":
        """Make all of it, with random bytes in each volume."""
        project = self.project
        self.image = project.image(os.urandom(1024 * 1024), name="golden")
        network = project.network("backbone", "10.30.0.0/24")
        project.router(network.id, "gate")
        web = self._security_group()
        self._unused_group()
        self.volumes = {
            name: project.volume(name=name, metadata={"of": name})
            for name in ("data-1", "data-2")
        }
        self.server = self._server(network, web, "web", "10.30.0.11")
        for device, volume in zip(DATA_DEVICES, self.volumes.values(), strict=True):
            project.attach(self.server.id, volume.id, device)
        self.boot_volume = project.volume(name="system", image_id=self.image.id)
        project.scribble(self.boot_volume.id)
        self.booted = self._server(
            network,
            web,
            "database",
            "10.30.0.12",
            block_device_mapping=[
                {
                    "boot_index": 0,
                    "uuid": self.boot_volume.id,
                    "source_type": "volume",
                    "destination_type": "volume",
                }
            ],
        )
        self._floating_address(self.server)
        return self

    def facts(self) -> dict[str, Any]:
        """What the project has, told without an id: equal when nothing was lost."""
        project_id = self.project.connection.current_project_id
        names = {one.id: one.name for one in self._network.networks()}
        subnets = {
            one.id: (one.name, one.cidr)
            for one in self._network.subnets(project_id=project_id)
        }
        groups = {
            one.id: one.name
            for one in self._network.security_groups(project_id=project_id)
        }
        return {
            "servers": self._servers(groups),
            "volumes": self._volumes(),
            "images": {
                one.name: hashlib.sha256(self.project.image_data(one.id)).hexdigest()
                for one in self.project.connection.image.images(owner=project_id)
            },
            "networks": {
                names[one.network_id]: (one.name, one.cidr, one.gateway_ip)
                for one in self._network.subnets(project_id=project_id)
            },
            "routers": {
                one.name: (
                    names[one.external_gateway_info["network_id"]],
                    sorted(
                        subnets[port.fixed_ips[0]["subnet_id"]]
                        for port in self._network.ports(
                            device_id=one.id, device_owner="network:router_interface"
                        )
                    ),
                )
                for one in self._network.routers(project_id=project_id)
            },
            "groups": {
                groups[one.id]: sorted(
                    str(_rule(rule, groups)) for rule in one.security_group_rules
                )
                for one in self._network.security_groups(project_id=project_id)
            },
            "floating addresses": sorted(
                (one.floating_ip_address, one.fixed_ip_address)
                for one in self._network.ips(project_id=project_id)
            ),
        }

    def _servers(self, groups: dict[str, str]) -> dict[str, Any]:
        found = {}
        for server in self._compute.servers(details=True):
            ports = list(self._network.ports(device_id=server.id))
            attached = self._compute.volume_attachments(server.id)
            found[server.name] = {
                "status": server.status,
                "flavor": server.flavor.name or server.flavor.original_name,
                "metadata": dict(server.metadata),
                "addresses": sorted(
                    (address["ip_address"], port.mac_address)
                    for port in ports
                    for address in port.fixed_ips
                ),
                "groups": sorted(
                    {groups[one] for port in ports for one in port.security_group_ids}
                ),
                "volumes": {
                    one.device: self.project.digest(one.volume_id) for one in attached
                },
            }
        return found

    def _volumes(self) -> dict[str, Any]:
        return {
            one.name: {
                "status": one.status,
                "size": one.size,
                "type": one.volume_type,
                "bootable": one.is_bootable,
                "metadata": dict(one.metadata),
                "digest": self.project.digest(one.id),
            }
            for one in self.project.connection.block_storage.volumes(details=True)
        }

    def _server(
        self, network: Any, group: Any, name: str, address: str, **fields: Any
    ) -> Any:
        return self.project.server(
            name=name,
            metadata={"role": name},
            networks=[{"uuid": network.id, "fixed_ip": address}],
            security_groups=[{"name": group.name}],
            **(fields or {"image_id": self.image.id}),
        )

    def _security_group(self) -> Any:
        """One that lets in what comes from another one's members."""
        friends = self._network.create_security_group(name="friends")
        web = self._network.create_security_group(name="web", description="the web")
        for fields in (
            {"port_range_min": _SECRET_PORT, "port_range_max": _SECRET_PORT},
            {"remote_group_id": friends.id},
        ):
            self._network.create_security_group_rule(
                security_group_id=web.id,
                direction="ingress",
                protocol="tcp",
                **fields,
            )
        return web

    def _unused_group(self) -> None:
        """One that no port is in, nor any rule of another one names."""
        spare = self._network.create_security_group(name="spare", description="later")
        self._network.create_security_group_rule(
            security_group_id=spare.id,
            direction="ingress",
            protocol="udp",
            remote_ip_prefix="10.99.0.0/16",
        )

    def _floating_address(self, server: Any) -> None:
        [port] = self._network.ports(device_id=server.id)
        public = self._network.find_network("public", ignore_missing=False)
        self._network.create_ip(floating_network_id=public.id, port_id=port.id)


def _rule(rule: dict[str, Any], groups: dict[str, str]) -> tuple[Any, ...]:
    return (
        rule["direction"],
        rule["ethertype"],
        rule["protocol"],
        rule["port_range_min"],
        rule["port_range_max"],
        rule["remote_ip_prefix"],
        groups.get(rule["remote_group_id"]),
    )
