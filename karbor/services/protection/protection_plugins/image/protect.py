# SPDX-License-Identifier: Apache-2.0
"""Protecting an image: its data into the bank, its description beside it."""

import dataclasses
from collections.abc import Generator
from contextlib import AbstractContextManager
from typing import Any

from karbor import exception
from karbor.common import constants
from karbor.context import RequestContext
from karbor.i18n import _
from karbor.resource import Resource
from karbor.services.protection.clients.glance_images import Images, names_snapshots
from karbor.services.protection.protection_plugin import Operation
from karbor.services.protection.protection_plugins.failing import failing
from karbor.services.protection.protection_plugins.image.saved_image import (
    DATA,
    CheckedData,
    SavedImage,
)
from karbor.services.protection.protection_plugins.image.settings import (
    ON_THE_WAY,
    ImageSettings,
)
from karbor.services.protection.waiting.until import Until, Waits


class ProtectOperation(Operation):
    """Takes down what the image is, then streams its data.

    An image's data never changes while it is active, so it needs no snapshot; that
    it was not replaced or deleted between is checked before and after the data has
    been read.
    """

    def __init__(self, settings: ImageSettings) -> None:
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
            image = yield from self._active_image(context, resource)
            SavedImage.of(image, parameters.get("backup_name")).save(section)

    def on_main(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        section = checkpoint.get_resource_bank_section(resource.id)
        progress = kwargs.get("progress")
        with _failing(resource):
            saved = SavedImage.find(section)
            if saved is None:
                raise exception.ProtectableResourceNotFound(
                    id=resource.id,
                    type=resource.type,
                    reason=_("it was not prepared; on_prepare_finish runs first"),
                )
            if progress is not None:
                progress.expect(saved.size)
            if saved.hash_value is not None:
                if progress is not None:
                    progress.advance(saved.size)
                return
            images = self._settings.images(context)
            _check_unchanged(images, saved)
            data = CheckedData(saved, images.download(resource.id))
            section.write_stream(DATA, data, progress=progress)
            _check_unchanged(images, saved)
            dataclasses.replace(
                saved, hash_algo=data.hash_algo, hash_value=data.hash_value
            ).save(section)

    def on_revert(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        section = checkpoint.get_resource_bank_section(resource.id)
        saved = SavedImage.find(section)
        if saved is not None and saved.hash_value is None:
            section.delete_all()

    def _active_image(
        self, context: RequestContext, resource: Resource
    ) -> Generator[Until, Any, dict[str, Any]]:
        images = self._settings.images(context)
        image = images.get(resource.id)
        if image is None:
            raise exception.ProtectableResourceNotFound(
                id=resource.id,
                type=resource.type,
                reason=_("Glance has no such image; it was called '%s'") % resource.name
                if resource.name
                else _("Glance has no such image"),
            )
        if image["status"] in ON_THE_WAY:
            image = yield self._settings.until_active(
                context, images, resource.id, ON_THE_WAY
            )
        elif image["status"] != "active":
            raise exception.ProtectableResourceInvalidStatus(
                id=resource.id, type=resource.type, status=image["status"]
            )
        if names_snapshots(image):
            raise exception.ProtectableResourceInvalidStatus(
                id=resource.id,
                type=resource.type,
                status=_(
                    "'active' without data: Nova made it of a server that was booted "
                    "from a volume, and it only names snapshots in Cinder. Leave it "
                    "out of the plan, and protect the server or its volumes"
                ),
            )
        return image


def _check_unchanged(images: Images, saved: SavedImage) -> None:
    image = images.get(saved.image_id)
    if image is None:
        raise exception.ProtectableResourceNotFound(
            id=saved.image_id,
            type=constants.IMAGE_RESOURCE_TYPE,
            reason=_("it was deleted while it was being protected"),
        )
    if image["status"] != "active":
        raise exception.ProtectableResourceInvalidStatus(
            id=saved.image_id,
            type=constants.IMAGE_RESOURCE_TYPE,
            status=image["status"],
        )
    if not saved.has_content_of(image):
        raise exception.InvalidParameterValue(
            err=_(
                "The data of image %s changed while it was being protected. Protect "
                "it again."
            )
            % saved.image_id
        )


def _failing(resource: Resource) -> AbstractContextManager[None]:
    return failing(exception.CreateResourceFailed, "Image Backup", resource)
