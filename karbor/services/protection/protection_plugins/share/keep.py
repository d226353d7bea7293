# SPDX-License-Identifier: Apache-2.0
"""Verifying and deleting the snapshot of a share."""

import functools
from collections.abc import Generator
from typing import Any

from karbor import exception
from karbor.common import constants
from karbor.context import RequestContext
from karbor.i18n import _
from karbor.resource import Resource
from karbor.services.protection.protection_plugin import Operation
from karbor.services.protection.protection_plugins import removal
from karbor.services.protection.protection_plugins.failing import failing
from karbor.services.protection.protection_plugins.records import report
from karbor.services.protection.protection_plugins.resumable import noted_restores
from karbor.services.protection.protection_plugins.share.protect import delete_snapshot
from karbor.services.protection.protection_plugins.share.restore import settle
from karbor.services.protection.protection_plugins.share.saved_share import SavedShare
from karbor.services.protection.protection_plugins.share.settings import ShareSettings
from karbor.services.protection.waiting.until import Until


class VerifyOperation(Operation):
    """Checks that the snapshot exists, is available and of the right size.

    Manila lets nobody read a snapshot's data, so that is not looked at.
    """

    def __init__(self, settings: ShareSettings) -> None:
        self._settings = settings

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
        with failing(
            exception.VerifyResourceFailed, "Share Snapshot", resource, record
        ):
            saved = SavedShare.load(section.uncached)
            self._check(context, saved)
        report(record, resource, constants.RESOURCE_STATUS_AVAILABLE)

    def _check(self, context: RequestContext, saved: SavedShare) -> None:
        snapshot = self._settings.manila(context).snapshots.get(saved.snapshot_id)
        if snapshot is None:
            problem = _("does not exist, or belongs to another project")
        elif snapshot["status"] != "available":
            problem = _("is '%s', and must be 'available'") % snapshot["status"]
        elif saved.fields["size"] not in (None, snapshot["size"]):
            problem = _("has %(found)s GiB, and had %(saved)s") % {
                "found": snapshot["size"],
                "saved": saved.fields["size"],
            }
        else:
            return
        raise exception.InvalidInput(
            reason=_("share snapshot %(id)s %(problem)s. Protect the share again")
            % {"id": saved.snapshot_id, "problem": problem}
        )


class DeleteOperation(Operation):
    """Deletes the snapshot, what restores left half made, then what the bank keeps."""

    def __init__(self, settings: ShareSettings) -> None:
        self._settings = settings

    def on_main(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> Generator[Until, Any, None]:
        section = checkpoint.get_resource_bank_section(resource.id)
        with failing(exception.DeleteResourceFailed, "Share Snapshot", resource):
            manila = self._settings.manila(context)
            # Some back ends keep a snapshot as long as there is a share of it.
            yield from removal.each(
                *(
                    functools.partial(settle, manila, notes)
                    for notes in noted_restores(section)
                ),
                lambda: delete_snapshot(manila, section, resource),
            )
            section.delete_all()
