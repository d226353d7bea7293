# SPDX-License-Identifier: Apache-2.0
"""What the bank keeps of a database: the instance, and which backup has its data."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from karbor import exception
from karbor.i18n import _

if TYPE_CHECKING:
    from karbor.services.protection.bank_plugin import BankSection

#: As Karbor 1.x called it, so that its checkpoints can be restored.
_KEY = "metadata"


@dataclasses.dataclass(frozen=True)
class SavedDatabase:
    """A database instance as it was when it was backed up.

    :param backup_id: of the backup in Trove
    :param backup_size: GB as Trove shows them; None where it does not
    :param parent_id: of the backup that an incremental one is based on
    :param datastore: ``type`` and ``version``
    :param size: GiB of its volume; None without one
    :param networks: ids, in the order of its addresses
    :param access: ``is_public`` and ``allowed_cidrs``, as far as Trove shows them
    :param configuration_id: of its configuration group
    """

    instance_id: str
    backup_id: str
    name: str | None
    flavor_id: str
    datastore: dict[str, str]
    size: int | None = None
    backup_name: str | None = None
    backup_size: float | None = None
    parent_id: str | None = None
    networks: list[str] = dataclasses.field(default_factory=list)
    access: dict[str, Any] = dataclasses.field(default_factory=dict)
    configuration_id: str | None = None

    @classmethod
    def of(
        cls, instance: Mapping[str, Any], backup: Mapping[str, Any]
    ) -> "SavedDatabase":
        """From what Trove shows."""
        networks = [
            address["network"]
            for address in instance.get("addresses") or []
            if address.get("network")
        ]
        datastore = instance["datastore"]
        return cls(
            instance_id=instance["id"],
            backup_id=backup["id"],
            name=instance.get("name"),
            flavor_id=instance["flavor"]["id"],
            datastore={"type": datastore["type"], "version": datastore["version"]},
            size=(instance.get("volume") or {}).get("size"),
            backup_name=backup.get("name"),
            backup_size=backup.get("size"),
            parent_id=backup.get("parent_id"),
            networks=list(dict.fromkeys(networks)),
            access=dict(instance.get("access") or {}),
            configuration_id=(instance.get("configuration") or {}).get("id"),
        )

    def save(self, section: "BankSection") -> None:
        """Write it into the instance's section."""
        fields = dataclasses.asdict(self)
        fields["flavor"] = {"id": fields.pop("flavor_id")}
        section.update_object(_KEY, fields)

    @classmethod
    def find(cls, section: "BankSection") -> "SavedDatabase | None":
        """What a section has; None when the instance was not protected."""
        if _KEY not in section.list_objects(prefix=_KEY):
            return None
        saved = dict(section.get_object(_KEY))
        saved["flavor_id"] = saved.pop("flavor")["id"]
        known = {field.name for field in dataclasses.fields(cls)}
        return cls(
            **{"name": None, **{key: saved[key] for key in saved.keys() & known}}
        )

    @classmethod
    def load(cls, section: "BankSection") -> "SavedDatabase":
        """What a section has.

        :raises BankGetObjectFailed: when the instance was not protected
        """
        saved = cls.find(section)
        if saved is None:
            raise exception.BankGetObjectFailed(
                key=_KEY, reason=_("the checkpoint has no backup of this database")
            )
        return saved

    @property
    def instance_metadata(self) -> dict[str, Any]:
        """What a person may see of the instance."""
        names = ("name", "flavor_id", "size", "datastore", "networks", "access")
        return {
            **{name: getattr(self, name) for name in names},
            "configuration_id": self.configuration_id,
        }
