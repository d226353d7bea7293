# SPDX-License-Identifier: Apache-2.0
"""What a bank keeps of a server: the object ``metadata``."""

import dataclasses
from typing import TYPE_CHECKING, Any

from karbor import exception
from karbor.common import constants
from karbor.i18n import _
from karbor.resource import Resource
from karbor.services.protection.graph import ResourceGraph
from karbor.services.protection.protection_plugins.server import legacy_server

if TYPE_CHECKING:
    from karbor.services.protection.bank_plugin import BankSection

METADATA = "metadata"


@dataclasses.dataclass(frozen=True)
class SavedServer:
    """A server as it was when it was protected.

    :param server_id: its id in Nova
    :param fields: ``name``, ``description``, ``hostname``, ``key_name``,
        ``metadata``, ``tags``, ``availability_zone``, ``config_drive``, ``locked``,
        ``user_data`` (base64), ``status`` and more; only what Nova told
    :param flavor: ``id``, ``name``, ``vcpus``, ``ram``, ``disk``, ``ephemeral``,
        ``swap`` and ``extra_specs``; of a server that Karbor 1.x protected, ``id``
    :param image_id: what it was booted from; None for one booted from a volume
    :param root_device: of what it was booted from, where Nova told
    :param volumes: in the order of their devices: ``id``, ``device``, ``tag``,
        ``delete_on_termination`` and ``boot_index`` (0 or None) of each
    :param ports: in the order of the server's interfaces, as Neutron tells of each,
        with ``floating`` (its floating addresses, as Neutron tells of them) and
        ``security_group_names`` (by id)
    :param server_group_id: where the server was in one
    """

    server_id: str
    fields: dict[str, Any]
    flavor: dict[str, Any]
    image_id: str | None
    root_device: str | None
    volumes: tuple[dict[str, Any], ...]
    ports: tuple[dict[str, Any], ...]
    server_group_id: str | None = None

    @classmethod
    def find(cls, section: "BankSection") -> "SavedServer | None":
        """What a resource's section keeps, or None when it keeps no server.

        :raises BankDataCorrupted: when it keeps something else
        """
        if METADATA not in section.list_objects(prefix=METADATA):
            return None
        saved = section.get_object(METADATA)
        try:
            if legacy_server.is_legacy(saved):
                saved = legacy_server.converted(saved)
            values = {field.name: saved[field.name] for field in _FIELDS}
        except (KeyError, TypeError) as error:
            raise exception.BankDataCorrupted(
                reason=_("'%(key)s' of %(section)r describes no server: %(error)r")
                % {"key": METADATA, "section": section, "error": error}
            ) from error
        values.update(volumes=tuple(values["volumes"]), ports=tuple(values["ports"]))
        return cls(**values)

    @classmethod
    def load(cls, section: "BankSection") -> "SavedServer":
        """What a resource's section keeps.

        :raises BankDataCorrupted: when it keeps no server
        """
        saved = cls.find(section)
        if saved is None:
            raise exception.BankDataCorrupted(
                reason=_("%r holds no protected server. Use another checkpoint.")
                % section
            )
        return saved

    @property
    def name(self) -> str:
        """Its name."""
        return self.fields.get("name") or self.server_id

    @property
    def boot_volume_id(self) -> str | None:
        """The volume that it was booted from."""
        for volume in self.volumes:
            if volume["boot_index"] == 0:
                return str(volume["id"])
        return None

    @property
    def volume_ids(self) -> list[str]:
        """Its volumes, in the order of their devices."""
        return [volume["id"] for volume in self.volumes]

    def image_remark(self, graph: ResourceGraph | None) -> str | None:
        """What a person should know when a checkpoint lacks the server's image.

        :param graph: of the checkpoint
        """
        if graph is None or self.image_id is None:
            return None
        server = Resource(constants.SERVER_RESOURCE_TYPE, self.server_id, None)
        image = Resource(constants.IMAGE_RESOURCE_TYPE, self.image_id, None)
        if image in graph.directly_below(server):
            return None
        return (
            _(
                "The image %s that it was booted from is not in the checkpoint. Where "
                "there is none of that id, restore_image_id has to name another one"
            )
            % self.image_id
        )

    def save(self, section: "BankSection") -> None:
        """Keep it in a resource's section."""
        section.update_object(METADATA, dataclasses.asdict(self))


_FIELDS = dataclasses.fields(SavedServer)
