# SPDX-License-Identifier: Apache-2.0
"""Restoring a volume: an image of the bank's data, and a volume from that."""

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from oslo_log import log as logging

from karbor import exception
from karbor.common import constants
from karbor.context import RequestContext
from karbor.resource import Resource
from karbor.services.protection.protection_plugin import Operation
from karbor.services.protection.protection_plugins import removal
from karbor.services.protection.protection_plugins.failing import failing
from karbor.services.protection.protection_plugins.image.making import ImageMaking
from karbor.services.protection.protection_plugins.image.saved_image import SavedImage
from karbor.services.protection.protection_plugins.image.settings import ON_THE_WAY
from karbor.services.protection.protection_plugins.records import report
from karbor.services.protection.protection_plugins.resumable import Notes, restore_notes
from karbor.services.protection.protection_plugins.volume.glance_copy.leftovers import (
    IMAGE,
    remove_image,
)
from karbor.services.protection.protection_plugins.volume.glance_copy.saved import (
    SavedVolume,
    load_data,
)
from karbor.services.protection.protection_plugins.volume.making import VolumeMaking
from karbor.services.protection.protection_plugins.volume.settings import (
    VolumeCloud,
    VolumeSettings,
)
from karbor.services.protection.waiting.until import Until, Waits

if TYPE_CHECKING:
    from karbor.services.protection.bank_plugin import BankSection

LOG = logging.getLogger(__name__)


class RestoreOperation(Operation):
    """An image, a volume of it, and the image is gone again.

    The volume has a temporary name until all of the restore is done.
    """

    def __init__(self, settings: VolumeSettings) -> None:
        self._settings = settings

    def on_main(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> Waits:
        record = kwargs.get("restore")
        report(record, resource, constants.RESOURCE_STATUS_RESTORING)
        section = checkpoint.get_resource_bank_section(resource.id)
        with failing(
            exception.RestoreResourceFailed, "Volume Glance Backup", resource, record
        ):
            restoration = _Restoration(
                cloud=self._settings.cloud(context),
                section=section,
                notes=restore_notes(section, record),
                parameters=parameters,
            )
            volume_id, remark = yield from restoration.run(kwargs.get("progress"))
        kwargs["new_resources"][resource.id] = volume_id
        report(record, resource, constants.RESOURCE_STATUS_AVAILABLE, remark)

    def on_complete(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        section = checkpoint.get_resource_bank_section(resource.id)
        record = kwargs.get("restore")
        with failing(
            exception.RestoreResourceFailed, "Volume Glance Backup", resource, record
        ):
            VolumeMaking(
                self._settings.cloud(context),
                restore_notes(section, record),
                parameters,
            ).complete(SavedVolume.load(section).described)

    def on_revert(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> Waits:
        section = checkpoint.get_resource_bank_section(resource.id)
        saved = SavedVolume.find(section)
        if saved is None:
            return
        cloud = self._settings.cloud(context)
        notes = restore_notes(section, kwargs.get("restore"))
        making = VolumeMaking(cloud, notes, parameters)
        # Some back ends keep an image as long as there is a volume of it.
        yield from removal.each(
            lambda: making.revert(saved.described, resource, kwargs),
            lambda: remove_image(cloud, notes),
        )


class _Restoration:
    """One run of a restore's main hook."""

    def __init__(
        self,
        *,
        cloud: VolumeCloud,
        section: "BankSection",
        notes: Notes,
        parameters: dict[str, Any],
    ) -> None:
        self._cloud = cloud
        self._section = section
        self._notes = notes
        self._making = VolumeMaking(cloud, notes, parameters)

    def run(self, progress: Any) -> Generator[Until, Any, tuple[str, str]]:
        """Restore, or finish what an earlier run began.

        :returns: the new volume's id, and what a person should know about it
        """
        saved = SavedVolume.load(self._section)
        data = load_data(self._section)
        if progress is not None:
            progress.expect(data.size)
        source = {}
        if self._making.find() is None:
            source["imageRef"] = yield from self._image(data, progress)
        elif progress is not None:
            progress.advance(data.size)
        volume_id, remark = yield from self._making.run(saved.described, source)
        try:
            yield from remove_image(self._cloud, self._notes)
        except removal.LeftBehind as error:
            LOG.warning("Volume %s was restored. %s", volume_id, error)
            remark = f"{remark} {error}".strip()
        return volume_id, remark

    def _image(self, data: SavedImage, progress: Any) -> Generator[Until, Any, str]:
        images = self._cloud.images
        things = self._cloud.image_things(images)
        making = ImageMaking(
            images=images,
            until_active=lambda image_id: self._cloud.until_copied(
                things, image_id, "active", pending=ON_THE_WAY
            ),
            section=self._section,
            notes=self._notes,
            note_name=IMAGE,
            progress=progress,
        )
        note, _image = yield from making.run(data, f"karbor-{data.image_id}")
        return note.token
