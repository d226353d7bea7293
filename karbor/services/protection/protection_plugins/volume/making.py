# SPDX-License-Identifier: Apache-2.0
"""The volume that replaces a protected one, with all that its description says."""

from collections.abc import Generator, Mapping
from typing import Any

from oslo_log import log as logging

from karbor.common import constants
from karbor.i18n import _
from karbor.resource import Resource
from karbor.services.protection.clients.faults import ServiceFailed
from karbor.services.protection.protection_plugins.records import report
from karbor.services.protection.protection_plugins.resumable import Notes
from karbor.services.protection.protection_plugins.volume import temporary
from karbor.services.protection.protection_plugins.volume.description import (
    VolumeDescription,
)
from karbor.services.protection.protection_plugins.volume.settings import VolumeCloud
from karbor.services.protection.waiting.until import Until, Waits

LOG = logging.getLogger(__name__)

_NOTE = "volume"

#: What a new volume goes through before it is available.
_COMING = ("creating", "downloading", "restoring-backup")


class VolumeMaking:
    """Makes the new volume, under a temporary name until all of the restore is done.

    Cinder overwrites a volume's metadata when it restores a backup into it, so only
    the name can tell whose it is.

    :param cloud: where
    :param notes: of the restore
    :param parameters: of the restore, for this resource
    """

    def __init__(
        self, cloud: VolumeCloud, notes: Notes, parameters: Mapping[str, Any]
    ) -> None:
        self._cloud = cloud
        self._volumes = cloud.volumes
        self._notes = notes
        self._parameters = parameters

    def find(self) -> dict[str, Any] | None:
        """What an earlier run made, or None."""
        return temporary.find(self._notes, _NOTE, self._volumes)

    def run(
        self,
        described: VolumeDescription,
        source: Mapping[str, Any],
        *,
        follows_source: bool = False,
    ) -> Generator[Until, Any, tuple[str, str]]:
        """Make it, or finish what an earlier run began.

        :param source: what its data comes from: ``{"imageRef": id}`` or the like
        :param follows_source: its type and zone are its source's unless the
            parameters say otherwise
        :returns: its id, and what a person should know about it
        :raises KarborException: when Cinder does not make it
        """
        remarks: list[str] = []
        made = temporary.find_or_make(
            self._notes,
            _NOTE,
            self._volumes,
            lambda name: self._volumes.create(
                described.size,
                name,
                description=self._description(described),
                metadata=described.metadata,
                volume_type=self._type(described, remarks, follows_source),
                availability_zone=self._zone(described, remarks, follows_source),
                **source,
            ),
        )
        yield self._cloud.until_copied(
            self._volumes, made["id"], "available", pending=_COMING
        )
        equip(self._cloud, made["id"], described, remarks)
        note = self._notes.find(_NOTE)
        if note is not None:
            self._notes.finish(note)
        return made["id"], " ".join(remarks)

    def complete(self, described: VolumeDescription) -> str | None:
        """Give it its name, when nothing will run again.

        :returns: its id; None when that was done before
        :raises ServiceFailed: when Cinder refuses it
        """
        made = self.find()
        if made is not None:
            self._volumes.rename(
                made["id"],
                self._parameters.get("restore_name") or described.name,
                self._description(described),
            )
        self._notes.forget(_NOTE)
        return None if made is None else made["id"]

    def revert(
        self, described: VolumeDescription, resource: Resource, kwargs: dict[str, Any]
    ) -> Waits:
        """Delete it when it is half made, else keep it and tell the record.

        :param kwargs: of the hook
        :raises LeftBehind: when it could not be deleted
        """
        note = self._notes.find(_NOTE)
        if note is None:
            return
        volume_id = yield from self.settle(described)
        if volume_id is not None:
            remark = _("Volume %s was restored before, and is kept.") % volume_id
            report(
                kwargs.get("restore"),
                resource,
                constants.RESOURCE_STATUS_AVAILABLE,
                remark,
            )
        elif not note.finished:
            kwargs.get("new_resources", {}).pop(resource.id, None)

    def settle(self, described: VolumeDescription) -> Generator[Until, Any, str | None]:
        """Give it its name when it is whole, else delete it: nothing will run again.

        :returns: the id of a whole one that is there
        :raises LeftBehind: when it could not be deleted
        """
        note = self._notes.find(_NOTE)
        if note is not None and note.finished:
            return self.complete(described)
        yield from temporary.clean_up(
            self._cloud, self._notes, _NOTE, self._volumes, self._volumes
        )
        return None

    def _description(self, described: VolumeDescription) -> str | None:
        said = self._parameters.get("restore_description")
        return described.description if said is None else str(said)

    def _type(
        self, described: VolumeDescription, remarks: list[str], follows_source: bool
    ) -> str | None:
        said: str | None = self._parameters.get("volume_type")
        if said or follows_source or not described.volume_type:
            return said
        if described.volume_type in self._volumes.type_names():
            return described.volume_type
        remarks.append(
            _("There is no volume type '%s' here; it has the default type.")
            % described.volume_type
        )
        return None

    def _zone(
        self, described: VolumeDescription, remarks: list[str], follows_source: bool
    ) -> str | None:
        said: str | None = self._parameters.get("availability_zone")
        if said or follows_source or not described.zone:
            return said
        if described.zone in self._volumes.zone_names():
            return described.zone
        remarks.append(
            _("There is no availability zone '%s' here; it is in the default zone.")
            % described.zone
        )
        return None


def equip(
    cloud: VolumeCloud,
    volume_id: str,
    described: VolumeDescription,
    remarks: list[str],
) -> None:
    """Give a volume the metadata and flags that it has not yet.

    :param remarks: gets what Cinder refuses: the data is good without it
    :raises ServiceFailed: when Cinder cannot be asked
    """
    volumes = cloud.volumes
    shown = volumes.get(volume_id)
    if shown is None:
        return
    found = VolumeDescription.of(shown)
    wanted = described.image_metadata
    changes = []
    if wanted is not None and wanted != found.image_metadata:
        before = found.image_metadata or {}
        new = {
            name: wanted[name] for name in wanted if before.get(name) != wanted[name]
        }
        old = sorted(before.keys() - wanted.keys())
        changes.append(lambda: volumes.set_image_metadata(volume_id, new, old))
    metadata = described.metadata
    if metadata is not None and metadata != found.metadata:
        changes.append(lambda: volumes.set_metadata(volume_id, metadata))
    bootable = _changed(described.is_bootable, found.is_bootable)
    readonly = _changed(described.is_readonly, found.is_readonly)
    if (bootable, readonly) != (None, None):
        changes.append(
            lambda: volumes.set_flags(volume_id, bootable=bootable, readonly=readonly)
        )
    for change in changes:
        try:
            change()
        except ServiceFailed as error:
            if error.retryable:
                raise
            LOG.warning("Volume %s was restored. %s", volume_id, error)
            remarks.append(f"{error}.")


def _changed(wanted: bool | None, found: bool | None) -> bool | None:
    return None if wanted == found else wanted
