# SPDX-License-Identifier: Apache-2.0
"""What takes the place of what a server was made from, where it is restored."""

from collections.abc import Mapping
from typing import Any

from karbor import exception
from karbor.i18n import _
from karbor.services.protection.protection_plugins.remarks import Remarks
from karbor.services.protection.protection_plugins.server.description import MADE_BY
from karbor.services.protection.protection_plugins.server.saved_server import (
    SavedServer,
)
from karbor.services.protection.protection_plugins.server.settings import Cloud

#: What makes two flavors the same size.
_SIZE = {
    "vcpus": "vcpus",
    "ram": "ram",
    "disk": "disk",
    "ephemeral": "OS-FLV-EXT-DATA:ephemeral",
    "swap": "swap",
}


class Choices:
    """Chooses for one restored server; says what is not as it was.

    :param new_resources: the new ids of what was restored before, by the original ones
    :param parameters: of the restore
    :param remarks: what a person should know of the restored server; added to
    """

    def __init__(
        self,
        cloud: Cloud,
        saved: SavedServer,
        new_resources: Mapping[str, str],
        parameters: Mapping[str, Any],
        remarks: Remarks,
    ) -> None:
        self._cloud = cloud
        self._saved = saved
        self._new = new_resources
        self._parameters = parameters
        self._remarks = remarks

    def server_fields(self, token: str) -> dict[str, Any]:
        """What to ask Nova for, but the networks.

        :param token: by which the server is found again
        :raises KarborException: when something without which there is no server is
            not there
        """
        saved = self._saved
        image_id = None if saved.image_id is None else self._image_id(saved.image_id)
        asked: dict[str, Any] = {
            "name": self._parameters.get("restore_name") or saved.name,
            "imageRef": image_id,
            "flavorRef": self._flavor_id(),
            "key_name": self._key_name(),
            "availability_zone": self._zone(),
            "block_device_mapping_v2": self._block_devices(image_id),
            "metadata": {**saved.fields.get("metadata", {}), MADE_BY: token},
            "description": saved.fields.get("description"),
            "tags": saved.fields.get("tags"),
            "config_drive": saved.fields.get("config_drive") in (True, "True"),
            "user_data": saved.fields.get("user_data"),
            "hostname": self._hostname(),
            "accessIPv4": saved.fields.get("access_ip_v4"),
            "accessIPv6": saved.fields.get("access_ip_v6"),
            "trusted_image_certificates": saved.fields.get(
                "trusted_image_certificates"
            ),
        }
        return {name: value for name, value in asked.items() if value}

    def check(self) -> None:
        """Look for what can be chosen before anything is restored.

        :raises KarborException: when a flavor is not there
        """
        self._flavor_id()
        self._key_name()
        self._zone()
        self.hints()

    def hints(self) -> dict[str, str]:
        """What to tell Nova's scheduler."""
        group_id = self._saved.server_group_id
        if group_id is None:
            return {}
        if self._cloud.compute.has_server_group(group_id):
            return {"group": group_id}
        self._remarks.add(
            _("Its server group %s does not exist here, it is in none.") % group_id
        )
        return {}

    def _flavor_id(self) -> str:
        chosen = self._parameters.get("restore_flavor_id")
        if chosen:
            return str(chosen)
        wanted, flavors = self._saved.flavor, self._cloud.compute.flavors()
        by_id = {flavor["id"]: flavor for flavor in flavors}
        if "vcpus" not in wanted and wanted["id"] in by_id:
            return str(wanted["id"])
        # A flavor cannot be changed, but deleted and made anew under its name or id.
        fitting = [flavor for flavor in flavors if _size(flavor) == _sizes_of(wanted)]
        for flavor in fitting:
            if flavor["id"] == wanted["id"]:
                return str(flavor["id"])
        for flavor in fitting:
            if flavor["name"] == wanted.get("name"):
                return str(flavor["id"])
        if fitting:
            self._remarks.add(
                _(
                    "Its flavor '%(old)s' does not exist here, '%(new)s' of the same "
                    "size takes its place."
                )
                % {"old": wanted.get("name"), "new": fitting[0]["name"]}
            )
            return str(fitting[0]["id"])
        raise exception.InvalidParameterValue(
            err=_(
                "the flavor %(flavor)s does not exist here, nor another of its size. "
                "Name one by restore_flavor_id."
            )
            % {"flavor": wanted.get("name") or wanted["id"]}
        )

    def _hostname(self) -> str | None:
        """None where Nova makes it from the name."""
        hostname = self._saved.fields.get("hostname")
        if not hostname or self._parameters.get("restore_name"):
            return None
        if "." not in hostname:
            return str(hostname)
        # Nova takes one with a domain from microversion 2.94 on.
        self._remarks.add(
            _("Its hostname was '%s', and is now made from its name.") % hostname
        )
        return None

    def _key_name(self) -> str | None:
        chosen = self._parameters.get("restore_key_name")
        if chosen:
            return str(chosen)
        name = self._saved.fields.get("key_name")
        if not name or self._cloud.compute.has_keypair(name):
            return name
        self._remarks.add(
            _("Whoever restores has no keypair '%s', so the server was given none.")
            % name
        )
        return None

    def _zone(self) -> str | None:
        chosen = self._parameters.get("restore_availability_zone")
        if chosen:
            return str(chosen)
        name = self._saved.fields.get("availability_zone")
        if not name:
            return None
        zones = set(self._cloud.compute.zones())
        if name not in zones:
            self._remarks.add(
                _("There is no availability zone '%s' here, Nova chose one.") % name
            )
            return None
        # Naming the only one ties the server to it for no gain.
        return name if len(zones) > 1 else None

    def _image_id(self, image_id: str) -> str:
        """What the server is booted from.

        :raises InvalidParameterValue: when nothing took the image's place
        """
        chosen = self._parameters.get("restore_image_id")
        if chosen:
            return str(chosen)
        if image_id not in self._new and not self._cloud.has_image(image_id):
            raise exception.InvalidParameterValue(
                err=_(
                    "its image %s was not restored and does not exist here. Name one "
                    "by restore_image_id."
                )
                % image_id
            )
        return self._new.get(image_id, image_id)

    def _block_devices(self, image_id: str | None) -> list[dict[str, Any]]:
        """What the server has from its first boot on, so that it finds all its disks.

        Some hypervisors name devices themselves, by this order.
        """
        devices: list[dict[str, Any]] = []
        if image_id is not None:
            devices.append(
                {
                    "uuid": image_id,
                    "source_type": "image",
                    "destination_type": "local",
                    "boot_index": 0,
                    "delete_on_termination": True,
                }
            )
        elif self._saved.boot_volume_id is None:
            raise exception.BankDataCorrupted(
                reason=_(
                    "it was booted neither from an image nor from a volume that "
                    "is known"
                )
            )
        for volume in self._saved.volumes:
            device = {
                "uuid": self._free_volume_id(volume["id"]),
                "source_type": "volume",
                "destination_type": "volume",
                "boot_index": 0 if volume["boot_index"] == 0 else -1,
                # Not before all is well: the server may have to be deleted.
                "delete_on_termination": False,
                "device_name": volume["device"],
                "tag": volume["tag"],
            }
            devices.append(
                {key: value for key, value in device.items() if value is not None}
            )
        return devices

    def volume_id(self, original_id: str) -> str:
        """What a volume became; itself when it was not restored."""
        return self._new.get(original_id, original_id)

    def _free_volume_id(self, original_id: str) -> str:
        """The same, of one that can be attached.

        :raises KarborException: when it was not restored, and is not there or in use
        """
        if original_id in self._new:
            return self._new[original_id]
        volume = self._cloud.volumes().get(original_id)
        if volume is not None and (
            volume["status"] == "available" or volume.get("multiattach")
        ):
            return original_id
        raise exception.InvalidParameterValue(
            err=_(
                "its volume %(id)s was not restored%(state)s. Restore it with the "
                "server, or detach it from what has it."
            )
            % {
                "id": original_id,
                "state": _(" and does not exist here")
                if volume is None
                else _(" and is '%s'") % volume["status"],
            }
        )


def _size(flavor: Mapping[str, Any]) -> dict[str, int]:
    return {name: int(flavor.get(key) or 0) for name, key in _SIZE.items()}


def _sizes_of(saved: Mapping[str, Any]) -> dict[str, int]:
    return {name: int(saved.get(name) or 0) for name in _SIZE}
