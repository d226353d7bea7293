# SPDX-License-Identifier: Apache-2.0
"""What a bank keeps of a volume: the object ``metadata`` and the stream ``data``."""

import dataclasses
from typing import TYPE_CHECKING, Any

from karbor import exception
from karbor.i18n import _
from karbor.services.protection.protection_plugins.image.saved_image import (
    METADATA,
    SavedImage,
)
from karbor.services.protection.protection_plugins.volume.description import (
    VolumeDescription,
)

if TYPE_CHECKING:
    from karbor.services.protection.bank_plugin import BankSection

#: What the temporary image that has the data looks like.
_IMAGE_FIELDS = {"disk_format": "raw", "container_format": "bare"}


@dataclasses.dataclass(frozen=True)
class SavedVolume:
    """A volume as it was when it was protected.

    :param described: the volume
    :param backup_name: what the plan calls the backup
    :param backup_description: what the plan says about it
    :param data: the data as a raw image, once all of it is in the bank
    """

    described: VolumeDescription
    backup_name: str | None = None
    backup_description: str | None = None
    data: SavedImage | None = None

    @classmethod
    def find(cls, section: "BankSection") -> "SavedVolume | None":
        """What a resource's section keeps, or None when it keeps no volume."""
        if METADATA not in section.list_objects(prefix=METADATA):
            return None
        saved = section.get_object(METADATA)
        volume_id = saved["volume_id"]
        if "volume" not in saved:
            return cls._of_karbor1(volume_id, saved)
        kept = saved["data"]
        data = kept and SavedImage(
            image_id=volume_id,
            fields={**_IMAGE_FIELDS, "size": kept["size"]},
            properties={},
            hash_algo=kept["hash_algo"],
            hash_value=kept["hash_value"],
        )
        return cls(
            described=VolumeDescription(volume_id, saved["volume"]),
            backup_name=saved["backup_name"],
            backup_description=saved["description"],
            data=data,
        )

    @classmethod
    def _of_karbor1(cls, volume_id: str, saved: dict[str, Any]) -> "SavedVolume":
        """It took down no more than a volume's size."""
        fields = {**_IMAGE_FIELDS, **saved["image_metadata"]}
        return cls(
            described=VolumeDescription(volume_id, {"size": saved["volume_size"]}),
            data=SavedImage(
                image_id=volume_id,
                fields=fields,
                properties={},
                hash_algo="md5",
                hash_value=fields.get("checksum"),
                legacy_objects=int(saved["chunks_num"]),
            ),
        )

    @classmethod
    def load(cls, section: "BankSection") -> "SavedVolume":
        """What a resource's section keeps of a wholly protected volume.

        :raises BankDataCorrupted: when there is none or its data is missing
        """
        saved = cls.find(section)
        if saved is None or saved.data is None:
            raise exception.BankDataCorrupted(
                reason=_(
                    "%(section)r holds no completely protected volume. Use another "
                    "checkpoint."
                )
                % {"section": section}
            )
        return saved

    def with_data(self, size: int, hash_algo: str, hash_value: str) -> "SavedVolume":
        """The same, with all data in the bank.

        :param size: bytes
        """
        data = SavedImage(
            image_id=self.described.id,
            fields={**_IMAGE_FIELDS, "size": size},
            properties={},
            hash_algo=hash_algo,
            hash_value=hash_value,
        )
        return dataclasses.replace(self, data=data)

    def save(self, section: "BankSection") -> None:
        """Keep it in a resource's section."""
        data = self.data and {
            "size": self.data.size,
            "hash_algo": self.data.hash_algo,
            "hash_value": self.data.hash_value,
        }
        section.update_object(
            METADATA,
            {
                "volume_id": self.described.id,
                "volume": dict(self.described.fields),
                "backup_name": self.backup_name,
                "description": self.backup_description,
                "data": data,
            },
        )


def load_data(section: "BankSection") -> SavedImage:
    """The data of a wholly protected volume.

    :raises BankDataCorrupted: when there is none
    """
    data = SavedVolume.load(section).data
    assert data is not None
    return data
