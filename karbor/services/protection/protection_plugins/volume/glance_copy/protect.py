# SPDX-License-Identifier: Apache-2.0
"""Protecting a volume's data: by way of Glance into the bank."""

from collections.abc import Generator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from oslo_log import log as logging

from karbor import exception
from karbor.context import RequestContext
from karbor.i18n import _
from karbor.resource import Resource
from karbor.services.protection.clients.glance_images import Images
from karbor.services.protection.protection_plugin import Operation
from karbor.services.protection.protection_plugins.failing import failing
from karbor.services.protection.protection_plugins.image.saved_image import (
    DATA,
    CheckedData,
    SavedImage,
)
from karbor.services.protection.protection_plugins.image.settings import ON_THE_WAY
from karbor.services.protection.protection_plugins.resumable import protect_notes
from karbor.services.protection.protection_plugins.volume import temporary
from karbor.services.protection.protection_plugins.volume.description import (
    VolumeDescription,
)
from karbor.services.protection.protection_plugins.volume.glance_copy.leftovers import (
    IMAGE,
    VOLUME,
    clean_up_protection,
    clean_up_volume,
)
from karbor.services.protection.protection_plugins.volume.glance_copy.saved import (
    SavedVolume,
)
from karbor.services.protection.protection_plugins.volume.readiness import free_volume
from karbor.services.protection.protection_plugins.volume.settings import (
    VolumeCloud,
    VolumeSettings,
)
from karbor.services.protection.protection_plugins.volume.snapshotting import (
    TemporarySnapshot,
)
from karbor.services.protection.waiting.until import Until, Waits

if TYPE_CHECKING:
    from karbor.services.protection.bank_plugin import BankSection

LOG = logging.getLogger(__name__)


class ImageNotMade(exception.KarborException):
    """Cinder ended without an image of a volume."""

    message = _(
        "Cinder could not make an image of the temporary volume %(volume_id)s: "
        "%(reason)s. See the logs of Cinder and Glance, and whether Glance has room "
        "for %(size)s GiB"
    )


class ProtectOperation(Operation):
    """A snapshot when preparing; later a volume of it, an image of that, the bank.

    Glance is the one road to a volume's bytes that asks nothing of the machine that
    Karbor runs on. Each temporary thing is deleted as soon as nothing needs it.
    """

    def __init__(self, settings: VolumeSettings) -> None:
        self._settings = settings

    def on_prepare_finish(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> Waits:
        section = checkpoint.get_resource_bank_section(resource.id)
        with _failing(resource):
            cloud = self._settings.cloud(context)
            volume = yield from free_volume(cloud, resource)
            if volume.get("encrypted"):
                raise exception.ProtectableResourceInvalidStatus(
                    id=resource.id,
                    type=resource.type,
                    status=_(
                        "it is encrypted, and its data would be of no use without "
                        "the key that stays in this cloud. Protect it with a Cinder "
                        "backup or a snapshot instead"
                    ),
                )
            SavedVolume(
                VolumeDescription.of(volume),
                parameters.get("backup_name"),
                parameters.get("description"),
            ).save(section)
            yield from TemporarySnapshot(cloud, protect_notes(section)).make(resource)

    def on_main(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> Waits:
        section = checkpoint.get_resource_bank_section(resource.id)
        with _failing(resource):
            saved = SavedVolume.find(section)
            if saved is None:
                raise exception.ProtectableResourceNotFound(
                    id=resource.id,
                    type=resource.type,
                    reason=_("it was not prepared; on_prepare_finish runs first"),
                )
            copying = _Copying(
                cloud=self._settings.cloud(context),
                section=section,
                resource=resource,
                progress=kwargs.get("progress"),
            )
            yield from copying.run(saved)

    def on_revert(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> Waits:
        section = checkpoint.get_resource_bank_section(resource.id)
        yield from clean_up_protection(
            self._settings.cloud(context), protect_notes(section)
        )
        saved = SavedVolume.find(section)
        if saved is not None and saved.data is None:
            section.delete_all()


class _Copying:
    """The way of one volume's data, with all that is temporary on it."""

    def __init__(
        self,
        *,
        cloud: VolumeCloud,
        section: "BankSection",
        resource: Resource,
        progress: Any,
    ) -> None:
        self._cloud = cloud
        self._volumes = cloud.volumes
        self._images: Images = cloud.images
        self._image_things = cloud.image_things(self._images)
        self._section = section
        self._notes = protect_notes(section)
        self._snapshot = TemporarySnapshot(cloud, self._notes)
        self._resource = resource
        self._progress = progress

    def run(self, saved: SavedVolume) -> Waits:
        """Copy, or go on where an earlier run was."""
        if self._progress is not None:
            self._progress.expect(saved.described.bytes)
        if saved.data is None:
            image = yield from self._image(saved)
            LOG.info("The data of volume %s goes to the bank.", self._resource.id)
            data = CheckedData(SavedImage.of(image), self._images.download(image["id"]))
            self._section.write_stream(DATA, data, progress=self._progress)
            saved.with_data(image["size"], data.hash_algo, data.hash_value).save(
                self._section
            )
        elif self._progress is not None:
            self._progress.advance(saved.described.bytes)
        yield from clean_up_protection(self._cloud, self._notes)

    def _image(self, saved: SavedVolume) -> Generator[Until, Any, dict[str, Any]]:
        """The image that has all data, when nothing else temporary is left."""
        image = temporary.find(self._notes, IMAGE, self._images)
        if image is None or image["status"] != "active":
            volume_id = yield from self._volume(saved)
            image = yield from self._upload(saved, volume_id)
        yield from clean_up_volume(self._cloud, self._notes)
        yield from self._snapshot.clean_up()
        return image

    def _volume(self, saved: SavedVolume) -> Generator[Until, Any, str]:
        made = temporary.find(self._notes, VOLUME, self._volumes)
        if made is None:
            snapshot = self._snapshot.get(self._resource)
            made = temporary.find_or_make(
                self._notes,
                VOLUME,
                self._volumes,
                lambda name: self._volumes.create(
                    saved.described.size,
                    name,
                    snapshot_id=snapshot["id"],
                    description=_("Temporary, while volume %s is protected")
                    % self._resource.id,
                ),
            )
        # An earlier run may have come as far as uploading it.
        yield self._cloud.until_copied(
            self._volumes, made["id"], "available", pending=("creating", "uploading")
        )
        return str(made["id"])

    def _upload(
        self, saved: SavedVolume, volume_id: str
    ) -> Generator[Until, Any, dict[str, Any]]:
        made = temporary.find_or_make(
            self._notes,
            IMAGE,
            self._images,
            lambda name: {"id": self._volumes.upload(volume_id, name)},
        )
        # When an upload fails, it is the volume that tells: Cinder deletes the image.
        volume = yield self._cloud.until_copied(
            self._volumes, volume_id, "available", pending=("uploading",)
        )
        image = self._images.get(made["id"])
        if image is not None and image["status"] in ON_THE_WAY:
            image = yield self._cloud.until_copied(
                self._image_things, made["id"], "active", pending=ON_THE_WAY
            )
        if image is None or image["status"] != "active":
            raise ImageNotMade(
                volume_id=volume_id,
                reason=self._volumes.told_fault_of(volume)
                or _("there is no reason on record"),
                size=saved.described.size,
            )
        return image


def _failing(resource: Resource) -> AbstractContextManager[None]:
    return failing(exception.CreateResourceFailed, "Volume Glance Backup", resource)
