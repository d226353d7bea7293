# SPDX-License-Identifier: Apache-2.0
"""What a volume is, beside its data: as Cinder showed it when it was protected."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from oslo_utils import units

#: Among a volume's metadata, but set by Cinder itself.
_CINDERS_OWN = frozenset({"attached_mode", "readonly"})

_KEPT_FIELDS = (
    "availability_zone",
    "created_at",
    "description",
    "encrypted",
    "metadata",
    "multiattach",
    "name",
    "size",
    "status",
    "volume_image_metadata",
    "volume_type",
)


@dataclasses.dataclass(frozen=True)
class VolumeDescription:
    """A volume without its data.

    :param id: in Cinder
    :param fields: what Cinder said of it
    """

    id: str
    fields: Mapping[str, Any]

    @classmethod
    def of(cls, volume: Mapping[str, Any]) -> "VolumeDescription":
        """Take down what Cinder says of a volume."""
        fields = {name: volume[name] for name in _KEPT_FIELDS if name in volume}
        fields["bootable"] = _is_true(volume.get("bootable"))
        fields["readonly"] = _is_true(volume.get("metadata", {}).get("readonly"))
        return cls(volume["id"], fields)

    @property
    def size(self) -> int:
        """GiB."""
        return int(self.fields["size"])

    def with_size(self, size: int) -> "VolumeDescription":
        """The same with another size, in GiB: that of what has its data."""
        return VolumeDescription(self.id, {**self.fields, "size": size})

    @property
    def bytes(self) -> int:
        """The same in bytes."""
        return self.size * units.Gi

    @property
    def name(self) -> str:
        """Its name, or its id when it had none."""
        return str(self.fields.get("name") or self.id)

    @property
    def description(self) -> str | None:
        """What its owner had written about it."""
        return self.fields.get("description")

    @property
    def volume_type(self) -> str | None:
        """The name of its type."""
        return self.fields.get("volume_type")

    @property
    def zone(self) -> str | None:
        """Its availability zone."""
        return self.fields.get("availability_zone")

    @property
    def metadata(self) -> dict[str, str] | None:
        """What its owner had set; None when that was not kept."""
        found = self.fields.get("metadata")
        if found is None:
            return None
        return {name: found[name] for name in found if name not in _CINDERS_OWN}

    @property
    def image_metadata(self) -> dict[str, str] | None:
        """What it knows of the image it came from; None when that was not kept."""
        if "size" not in self.fields or "bootable" not in self.fields:
            return None
        return dict(self.fields.get("volume_image_metadata") or {})

    @property
    def is_bootable(self) -> bool | None:
        """Whether a server may boot from it; None when that was not kept."""
        return self.fields.get("bootable")

    @property
    def is_readonly(self) -> bool | None:
        """Whether servers may only read it; None when that was not kept."""
        return self.fields.get("readonly")


def _is_true(text: Any) -> bool:
    """Cinder says its flags as texts."""
    return str(text).lower() == "true"
