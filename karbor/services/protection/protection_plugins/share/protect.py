# SPDX-License-Identifier: Apache-2.0
"""Protecting a share: a snapshot in Manila, and what the share is in the bank."""

from collections.abc import Generator
from typing import Any

from karbor import exception
from karbor.context import RequestContext
from karbor.i18n import _
from karbor.resource import Resource
from karbor.services.protection.clients.manila_shares import Snapshots
from karbor.services.protection.protection_plugin import Operation
from karbor.services.protection.protection_plugins.failing import failing
from karbor.services.protection.protection_plugins.resumable import (
    mark_of,
    protect_notes,
)
from karbor.services.protection.protection_plugins.share.saved_share import SavedShare
from karbor.services.protection.protection_plugins.share.settings import (
    Manila,
    ShareSettings,
)
from karbor.services.protection.waiting.until import Until

NOTE = "snapshot"

#: States that turn into ``available`` by themselves.
#: https://docs.openstack.org/api-ref/shared-file-system/#shares
_ON_THE_WAY = frozenset(
    {
        "creating",
        "creating_from_snapshot",
        "extending",
        "shrinking",
        "reverting",
        "backup_creating",
        "backup_restoring",
        "ensuring",
    }
)


class ProtectOperation(Operation):
    """Takes a snapshot while those who use the share may be stopped.

    All of it is done in the prepare hook: a parent that is quiesced goes on when its
    children have their snapshots.
    """

    def __init__(self, settings: ShareSettings) -> None:
        self._settings = settings

    def on_prepare_finish(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> Generator[Until, Any, None]:
        section = checkpoint.get_resource_bank_section(resource.id)
        manila = self._settings.manila(context)
        with failing(exception.CreateResourceFailed, "Share Snapshot", resource):
            force = bool(parameters.get("force"))
            share = yield from _usable_share(manila, resource, force)
            rules = manila.shares.access_rules(resource.id)
            note = protect_notes(section).take(NOTE)
            snapshot = find_snapshot(manila.snapshots, resource.id, note.token)
            if snapshot is None:
                snapshot = manila.snapshots.create(
                    resource.id,
                    parameters.get("snapshot_name"),
                    _marked(parameters.get("description"), note.token),
                    force,
                )
            snapshot = yield manila.until_snapshot(snapshot["id"])
            SavedShare.of(share, rules, snapshot).save(section)

    def on_complete(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        section = checkpoint.get_resource_bank_section(resource.id)
        protect_notes(section).forget(NOTE)

    def on_revert(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> Generator[Until, Any, None]:
        section = checkpoint.get_resource_bank_section(resource.id)
        manila = self._settings.manila(context)
        yield from delete_snapshot(manila, section, resource)
        section.delete_all()


def find_snapshot(
    snapshots: Snapshots, share_id: str, token: str
) -> dict[str, Any] | None:
    """The snapshot of a share that carries a token, or None.

    :raises ServiceFailed: when Manila cannot be asked
    """
    return next(
        (
            snapshot
            for snapshot in snapshots.all(share_id)
            if mark_of(token) in (snapshot.get("description") or "")
        ),
        None,
    )


def delete_snapshot(
    manila: Manila, section: Any, resource: Resource
) -> Generator[Until, Any, None]:
    """Delete the snapshot that a section names or that carries its note's token.

    Whether it is whole or half made; one that is gone is good.

    :raises KarborException: when Manila refuses it, or it does not go
    """
    saved = SavedShare.find(section)
    snapshot = manila.snapshots.get(saved.snapshot_id) if saved is not None else None
    note = protect_notes(section).find(NOTE)
    if snapshot is None and note is not None:
        snapshot = find_snapshot(manila.snapshots, resource.id, note.token)
    if snapshot is not None:
        yield from manila.remove_snapshot(snapshot["id"])


def _usable_share(
    manila: Manila, resource: Resource, force: bool
) -> Generator[Until, Any, dict[str, Any]]:
    """The share, when it can be snapshotted and restored from that.

    :raises KarborException: when it is gone, in a state that forbids it, or cannot
    """
    share = manila.shares.get(resource.id)
    if share is None:
        raise exception.ProtectableResourceNotFound(
            id=f"{resource.id} ('{resource.name}')",
            type=resource.type,
            reason=_("Manila has no such share any more; take it out of the plan"),
        )
    for ability, wanted in (
        ("snapshot_support", _("has no snapshots")),
        ("create_share_from_snapshot_support", _("makes no share from a snapshot")),
    ):
        if share.get(ability) is False:
            raise exception.ProtectableResourceInvalidStatus(
                id=resource.id,
                type=resource.type,
                status=_(
                    "its share type '%(type)s' %(wanted)s. Set %(ability)s on the "
                    "type where the back end can do it"
                )
                % {
                    "type": share.get("share_type_name") or share.get("share_type"),
                    "wanted": wanted,
                    "ability": ability,
                },
            )
    if share["status"] == "available" or force:
        return share
    if share["status"] not in _ON_THE_WAY:
        raise exception.ProtectableResourceInvalidStatus(
            id=resource.id,
            type=resource.type,
            status=_("%s; a share must be 'available' for a snapshot")
            % share["status"],
        )
    waited: dict[str, Any] = yield manila.until_share(resource.id, _ON_THE_WAY)
    return waited


def _marked(description: str | None, token: str) -> str:
    return f"{description} [{mark_of(token)}]" if description else mark_of(token)
