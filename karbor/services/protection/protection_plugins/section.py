# SPDX-License-Identifier: Apache-2.0
"""Copying and deleting a resource of which all that is kept is in its bank section."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from karbor import exception
from karbor.context import RequestContext
from karbor.resource import Resource
from karbor.services.protection.protection_plugin import Operation
from karbor.services.protection.protection_plugins.failing import failing
from karbor.services.protection.protection_plugins.resumable import (
    forget_all,
    has_notes,
)
from karbor.services.protection.waiting.until import Waits

if TYPE_CHECKING:
    from karbor.services.protection.bank_plugin import BankSection

#: Deletes in the cloud what a section has noted.
CleanUp = Callable[[RequestContext, "BankSection"], Waits]


class CopyOperation(Operation):
    """Copies the section into that of the new checkpoint, but for notes.

    What operations on the source have noted is none of the copy's.

    :param name: of what is copied, as people read it: ``Image Backup``
    :param load: gives what a section keeps, with the ``size`` of its data in bytes if
        there is data, and raises when it is not whole
    :param check: examines the copy's data, given the section and what it keeps: what
        the source had lost without a trace was not copied
    """

    def __init__(
        self,
        name: str,
        load: "Callable[[BankSection], Any]",
        check: "Callable[[BankSection, Any], None] | None" = None,
    ) -> None:
        self._name = name
        self._load = load
        self._check = check

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
        with failing(exception.CreateResourceFailed, f"{self._name} Copy", resource):
            kept = self._load(source)
            if progress is not None:
                progress.expect(getattr(kept, "size", 0))
            source.copy_to(target, progress=progress)
            forget_all(target)
            kept = self._load(target)
            if self._check is not None:
                self._check(target, kept)

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
    """Deletes everything that the bank keeps of the resource.

    :param name: of what is deleted, as people read it: ``Image Backup``
    :param clean_up: deletes what the section's notes name in the cloud, of operations
        that were cut off; given the caller and the section, when there are notes
    """

    def __init__(self, name: str, clean_up: CleanUp | None = None) -> None:
        self._name = name
        self._clean_up = clean_up

    def on_main(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> Waits:
        section = checkpoint.get_resource_bank_section(resource.id)
        with failing(exception.DeleteResourceFailed, self._name, resource):
            if self._clean_up is not None and has_notes(section):
                yield from self._clean_up(context, section)
            section.delete_all()
