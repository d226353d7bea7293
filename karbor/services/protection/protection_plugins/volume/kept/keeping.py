# SPDX-License-Identifier: Apache-2.0
"""What a bank keeps of a volume whose data stays in Cinder."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from karbor import exception
from karbor.i18n import _
from karbor.services.protection.clients.cinder_volumes import CinderThings
from karbor.services.protection.protection_plugins.volume.description import (
    VolumeDescription,
)
from karbor.services.protection.protection_plugins.volume.settings import VolumeCloud

if TYPE_CHECKING:
    from karbor.services.protection.bank_plugin import BankSection

_METADATA = "metadata"

#: Of Cinder's metadata, and of the note that has the token.
MARK = "karbor"


@dataclasses.dataclass(frozen=True)
class Keeping:
    """One of Cinder's ways to keep a volume's data.

    :param title: as people read it: ``Volume Backup``
    :param id_field: of the bank's object that names what has the data, and of
        Cinder's request for a volume of it
    :param things: those of its kind
    :param follows_source: whether a volume of it has its type and zone
    """

    title: str
    id_field: str
    things: Callable[[VolumeCloud], CinderThings]
    follows_source: bool


BACKUP = Keeping("Volume Backup", "backup_id", lambda cloud: cloud.backups, False)
SNAPSHOT = Keeping(
    "Volume Snapshot", "snapshot_id", lambda cloud: cloud.snapshots, True
)


@dataclasses.dataclass(frozen=True)
class SavedVolume:
    """A volume as it was when it was protected, and where its data is.

    :param described: the volume
    :param kept_id: of the backup or snapshot; None until it has all data
    :param details: what else people may see of it
    """

    described: VolumeDescription
    kept_id: str | None = None
    details: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def find(cls, section: "BankSection", keeping: Keeping) -> "SavedVolume | None":
        """What a resource's section keeps, or None when it keeps no volume."""
        if _METADATA not in section.list_objects(prefix=_METADATA):
            return None
        saved = section.get_object(_METADATA)
        fields = saved.get("volume")
        if fields is None:
            # Karbor 1.x took down no more than a snapshot's size.
            fields = {"size": saved["size"]} if "size" in saved else {}
        return cls(
            VolumeDescription(saved["volume_id"], fields),
            saved.get(keeping.id_field),
            saved.get("details", {}),
        )

    @classmethod
    def load(cls, section: "BankSection", keeping: Keeping) -> "SavedVolume":
        """What a resource's section keeps of a wholly protected volume.

        :raises BankDataCorrupted: when there is none
        """
        saved = cls.find(section, keeping)
        if saved is None or saved.kept_id is None:
            raise exception.BankDataCorrupted(
                reason=_(
                    "%(section)r names no complete %(what)s. Use another checkpoint."
                )
                % {"section": section, "what": keeping.title.lower()}
            )
        return saved

    def save(self, section: "BankSection", keeping: Keeping) -> None:
        """Keep it in a resource's section."""
        section.update_object(
            _METADATA,
            {
                "volume_id": self.described.id,
                "volume": dict(self.described.fields),
                keeping.id_field: self.kept_id,
                "details": dict(self.details),
            },
        )


class Marked:
    """Finds what carries a token in its metadata, as it keeps a name of its own.

    :param things: of its kind
    :param volume_id: of the volume that it belongs to
    """

    def __init__(self, things: CinderThings, volume_id: str) -> None:
        self._things = things
        self._volume_id = volume_id

    def named(self, name: str) -> dict[str, Any] | None:
        """The one with a token; None when there is none.

        :raises ServiceFailed: when Cinder cannot be asked
        """
        for thing in self._things.list(volume_id=self._volume_id):
            if (thing.get("metadata") or {}).get(MARK) == name:
                return thing
        return None

    def delete(self, thing_id: str) -> None:
        """Ask for its deletion.

        :raises ServiceFailed: when Cinder refuses
        """
        self._things.delete(thing_id)
