# SPDX-License-Identifier: Apache-2.0
"""Verifying, copying and deleting what a bank keeps of an image."""

from typing import Any

from karbor import exception
from karbor.common import constants
from karbor.context import RequestContext
from karbor.resource import Resource
from karbor.services.protection.bank.depth import Depth, Level
from karbor.services.protection.protection_plugin import Operation
from karbor.services.protection.protection_plugins.failing import failing
from karbor.services.protection.protection_plugins.image.saved_image import (
    SavedImage,
    check_data,
)
from karbor.services.protection.protection_plugins.records import report


class VerifyOperation(Operation):
    """Checks what the bank has, to the depth that the parameters ask for."""

    def on_main(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        record = kwargs.get("verify")
        report(record, resource, constants.RESOURCE_STATUS_VERIFYING)
        section = checkpoint.get_resource_bank_section(resource.id, is_writable=False)
        section = section.uncached
        progress = kwargs.get("progress")
        with failing(exception.VerifyResourceFailed, "Image Backup", resource, record):
            saved = SavedImage.load(section)
            if progress is not None:
                progress.expect(saved.size)
            check_data(section, saved, Depth.from_parameters(parameters), progress)
        report(record, resource, constants.RESOURCE_STATUS_AVAILABLE)


class CopyOperation(Operation):
    """Copies the section into that of the new checkpoint."""

    def on_main(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        source = checkpoint.get_resource_bank_section(resource.id, is_writable=False)
        target = kwargs["checkpoint_copy"].get_resource_bank_section(resource.id)
        progress = kwargs.get("progress")
        with failing(exception.CreateResourceFailed, "Image Backup Copy", resource):
            saved = SavedImage.load(source)
            if progress is not None:
                progress.expect(saved.size)
            source.copy_to(target, progress=progress)
            # What the source had lost without a trace was not copied.
            check_data(target, SavedImage.load(target), Depth(Level.OBJECTS))

    def on_revert(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        kwargs["checkpoint_copy"].get_resource_bank_section(resource.id).delete_all()


class DeleteOperation(Operation):
    """Deletes everything that the bank keeps of the image."""

    def on_main(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        with failing(exception.DeleteResourceFailed, "Image Backup", resource):
            checkpoint.get_resource_bank_section(resource.id).delete_all()
