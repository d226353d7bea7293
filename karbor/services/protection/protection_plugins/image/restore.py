# SPDX-License-Identifier: Apache-2.0
"""Restoring an image: a new one with the saved data and description."""

import functools
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from oslo_log import log as logging

from karbor import exception
from karbor.common import constants
from karbor.context import RequestContext
from karbor.i18n import _
from karbor.resource import Resource
from karbor.services.protection.clients.faults import ServiceFailed
from karbor.services.protection.clients.glance_images import ImageThings
from karbor.services.protection.protection_plugin import Operation
from karbor.services.protection.protection_plugins import removal
from karbor.services.protection.protection_plugins.failing import failing
from karbor.services.protection.protection_plugins.image.making import ImageMaking
from karbor.services.protection.protection_plugins.image.saved_image import (
    FINAL_FIELDS,
    SavedImage,
)
from karbor.services.protection.protection_plugins.image.settings import (
    ON_THE_WAY,
    ImageSettings,
)
from karbor.services.protection.protection_plugins.records import report
from karbor.services.protection.protection_plugins.resumable import (
    Notes,
    noted_restores,
    restore_notes,
)
from karbor.services.protection.waiting.until import Until, Waits

if TYPE_CHECKING:
    from karbor.services.protection.bank_plugin import BankSection

LOG = logging.getLogger(__name__)

_NOTE = "image"


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
                notes=restore_notes(section, record),
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
        restore_notes(section, kwargs.get("restore")).forget(_NOTE)

    def on_revert(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> Waits:
        section = checkpoint.get_resource_bank_section(resource.id)
        notes = restore_notes(section, kwargs.get("restore"))
        is_whole = yield from settle(self._settings, context, notes)
        if not is_whole:
            kwargs.get("new_resources", {}).pop(resource.id, None)


def clean_up(
    settings: ImageSettings, context: RequestContext, section: "BankSection"
) -> Waits:
    """Delete what restores left half made that were cut off.

    :raises KarborException: naming what could not be deleted
    """
    yield from removal.each(
        *(
            functools.partial(settle, settings, context, notes)
            for notes in noted_restores(section)
        )
    )


def settle(
    settings: ImageSettings, context: RequestContext, notes: Notes
) -> Generator[Until, Any, bool]:
    """Keep the image of a restore when it is whole, else delete it.

    Nothing will run again.

    :returns: whether it was whole, or there was none
    :raises KarborException: when Glance refuses it, or it does not go
    """
    note = notes.find(_NOTE)
    if note is None:
        return True
    if not note.finished:
        images = settings.images(context)
        yield from removal.remove(
            ImageThings(images, context),
            images.delete,
            note.token,
            patience=settings.patience_of("cleanup_timeout"),
            busy=None,
        )
        LOG.info("Deleted image %s of a failed restore.", note.token)
    notes.forget(_NOTE)
    return note.finished


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
        making = ImageMaking(
            images=self._images,
            until_active=self._until_active,
            section=self._section,
            notes=self._notes,
            note_name=_NOTE,
            progress=self._progress,
        )
        note, image = yield from making.run(saved, name)
        remark = self._finalize(saved, image)
        self._notes.finish(note)
        return note.token, remark

    def _until_active(self, image_id: str) -> Until:
        return self._settings.until_active(
            self._context, self._images, image_id, ON_THE_WAY
        )

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
            except ServiceFailed as error:
                if error.retryable:
                    raise
                remark = _("The image stays private: %s") % error
                LOG.warning("Image %s was restored. %s", image["id"], remark)
        if wanted:
            self._images.replace(image["id"], wanted)
        return remark
