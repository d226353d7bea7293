# SPDX-License-Identifier: Apache-2.0
"""Restoring an image: a new one with the saved data and description."""

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import tenacity
from oslo_log import log as logging

from karbor import exception
from karbor.common import constants
from karbor.context import RequestContext
from karbor.i18n import _
from karbor.resource import Resource
from karbor.services.protection.bank.depth import Depth, Level
from karbor.services.protection.clients.glance_images import (
    GlanceFailed,
    ImageIdTaken,
)
from karbor.services.protection.protection_plugin import Operation
from karbor.services.protection.protection_plugins.failing import failing
from karbor.services.protection.protection_plugins.image.saved_image import (
    FINAL_FIELDS,
    SavedImage,
    check_data,
    hash_of_data,
    open_data,
)
from karbor.services.protection.protection_plugins.image.settings import ImageSettings
from karbor.services.protection.protection_plugins.records import report
from karbor.services.protection.protection_plugins.resumable import Note, Notes
from karbor.services.protection.waiting.until import Until, Waits

if TYPE_CHECKING:
    from karbor.services.protection.bank_plugin import BankSection

LOG = logging.getLogger(__name__)

_NOTE = "image"

#: States of an image that has its data on the way to ``active``.
_ON_THE_WAY = frozenset({"saving", "importing"})


class RestoreOperation(Operation):
    """Creates the image under an id that the bank notes first.

    So a second run finds what the first one made, and a revert knows what to delete.
    An image that is complete when another resource's failure reverts the restore is
    kept: it is whole, and the restore's record says so.
    """

    def __init__(self, settings: ImageSettings) -> None:
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
        with failing(exception.RestoreResourceFailed, "Image Backup", resource, record):
            restoration = _Restoration(
                settings=self._settings,
                context=context,
                section=section,
                notes=Notes(section, _operation_id(record)),
                progress=kwargs.get("progress"),
            )
            image_id, remark = yield from restoration.run(
                parameters.get("restore_name"), checkpoint.project_id
            )
        kwargs["new_resources"][resource.id] = image_id
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
        Notes(section, _operation_id(kwargs.get("restore"))).forget(_NOTE)

    def on_revert(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        section = checkpoint.get_resource_bank_section(resource.id)
        notes = Notes(section, _operation_id(kwargs.get("restore")))
        note = notes.find(_NOTE)
        if note is None:
            return
        if not note.finished:
            images = self._settings.images(context)
            for attempt in tenacity.Retrying(
                retry=tenacity.retry_if_exception_type(GlanceFailed),
                stop=tenacity.stop_after_delay(self._settings.cleanup_timeout),
                wait=tenacity.wait_fixed(min(self._settings.poll_interval, 5.0)),
                reraise=True,
            ):
                with attempt:
                    images.delete(note.token)
            LOG.info("Deleted image %s of a failed restore.", note.token)
            kwargs.get("new_resources", {}).pop(resource.id, None)
        notes.forget(_NOTE)


class _Restoration:
    """One run of a restore's main hook."""

    def __init__(
        self,
        settings: ImageSettings,
        context: RequestContext,
        section: "BankSection",
        notes: Notes,
        progress: Any,
    ) -> None:
        self._settings = settings
        self._context = context
        self._images = settings.images(context)
        self._section = section
        self._notes = notes
        self._progress = progress

    def run(
        self, restore_name: str | None, project_id: str
    ) -> Generator[Until, Any, tuple[str, str]]:
        """Restore, or finish what an earlier run began.

        :param project_id: whose checkpoint it is
        :returns: the new image's id, and what a person should know about it
        """
        saved = SavedImage.load(self._section)
        if self._progress is not None:
            self._progress.expect(saved.size)
        if restore_name is None and self._is_still_seen(saved, project_id):
            if self._progress is not None:
                self._progress.advance(saved.size)
            return saved.image_id, _("The image of another project is still there.")
        name = restore_name or saved.fields.get("name") or saved.image_id
        note, image = self._find_or_create(saved, name)
        if image["status"] == "queued":
            self._upload(saved, note.token)
        elif self._progress is not None:
            self._progress.advance(saved.size)
        image = yield from self._wait_until_active(note.token)
        self._check_content(saved, image)
        remark = self._finalize(saved, image)
        self._notes.finish(note)
        return note.token, remark

    def _is_still_seen(self, saved: SavedImage, project_id: str) -> bool:
        """Whether it is an image of others that can be used as it is.

        A copy of a public image for each restore would be of no use to anybody.
        """
        if saved.fields.get("owner") in (None, project_id):
            return False
        image = self._images.get(saved.image_id)
        return (
            image is not None
            and image["status"] == "active"
            and saved.has_content_of(image)
        )

    def _find_or_create(
        self, saved: SavedImage, name: str
    ) -> tuple[Note, dict[str, Any]]:
        note = self._notes.take(_NOTE)
        image = self._images.get(note.token)
        if image is not None and image["status"] in ("queued", "active"):
            return note, image
        if image is not None:
            # An earlier run's upload broke off and never came back to 'queued'.
            self._images.delete(note.token)
            note = self._notes.renew(_NOTE)
        try:
            image = self._images.create(saved.creation_fields(name, note.token))
        except ImageIdTaken:
            # Glance never gives out the id of a deleted image again.
            note = self._notes.renew(_NOTE)
            image = self._images.create(saved.creation_fields(name, note.token))
        return note, image

    def _upload(self, saved: SavedImage, image_id: str) -> None:
        with open_data(self._section, saved) as stream:
            self._images.upload(image_id, _Counted(stream, self._progress))

    def _wait_until_active(
        self, image_id: str
    ) -> Generator[Until, Any, dict[str, Any]]:
        image: dict[str, Any] = yield self._settings.until_active(
            self._context, self._images, image_id, _ON_THE_WAY
        )
        return image

    def _check_content(self, saved: SavedImage, image: dict[str, Any]) -> None:
        """Compare what Glance computed over its data with what was protected."""
        algorithm = image.get("os_hash_algo")
        found = image.get("os_hash_value")
        is_old = saved.legacy_objects is not None
        if not algorithm or not found or (is_old and image.get("checksum")):
            algorithm, found = "md5", image.get("checksum")
        if algorithm == saved.hash_algo and saved.hash_value is not None:
            expected = saved.hash_value
        else:
            if is_old:
                # The stream itself carries nothing to check it with.
                check_data(self._section, saved, Depth(Level.FULL))
            expected = hash_of_data(self._section, saved, str(algorithm))
        if found != expected:
            raise exception.BankDataCorrupted(
                reason=_(
                    "Glance computed %(algorithm)s %(found)s over the restored data, "
                    "and %(expected)s was protected. Check the network and Glance's "
                    "store, and restore again."
                )
                % {"algorithm": algorithm, "found": found, "expected": expected}
            )

    def _finalize(self, saved: SavedImage, image: dict[str, Any]) -> str:
        """Give the image the visibility and protection that it had."""
        wanted = {
            name: saved.fields[name]
            for name in FINAL_FIELDS
            if name in saved.fields and saved.fields[name] != image.get(name)
        }
        remark = ""
        visibility = wanted.pop("visibility", None)
        if visibility is not None:
            try:
                self._images.replace(image["id"], {"visibility": visibility})
            except GlanceFailed as error:
                remark = _("The image stays private: %s") % error
                LOG.warning("Image %s was restored. %s", image["id"], remark)
        if wanted:
            self._images.replace(image["id"], wanted)
        return remark


class _Counted:
    """A stream that tells the progress what was read of it."""

    def __init__(self, stream: Any, progress: Any) -> None:
        self._stream = stream
        self._progress = progress

    def read(self, size: int) -> bytes:
        piece: bytes = self._stream.read(size)
        if self._progress is not None:
            self._progress.advance(len(piece))
        return piece


def _operation_id(record: Any) -> str:
    return str(record.id) if record is not None else "restore"
