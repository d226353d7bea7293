# SPDX-License-Identifier: Apache-2.0
"""Restoring a share: a new one, made by Manila from the snapshot."""

from collections.abc import Generator
from typing import Any

from oslo_log import log as logging

from karbor import exception
from karbor.common import constants
from karbor.context import RequestContext
from karbor.i18n import _
from karbor.resource import Resource
from karbor.services.protection.clients.faults import ServiceFailed
from karbor.services.protection.protection_plugin import Operation
from karbor.services.protection.protection_plugins.failing import failing
from karbor.services.protection.protection_plugins.records import report
from karbor.services.protection.protection_plugins.resumable import Notes, restore_notes
from karbor.services.protection.protection_plugins.share.saved_share import SavedShare
from karbor.services.protection.protection_plugins.share.settings import (
    Manila,
    ShareSettings,
)
from karbor.services.protection.waiting.until import Until

LOG = logging.getLogger(__name__)

_NOTE = "share"

#: The key of a share's metadata that has the token, until the restore has ended.
_TOKEN_KEY = "karbor-restore"

_ON_THE_WAY = frozenset({"creating", "creating_from_snapshot"})


class RestoreOperation(Operation):
    """Creates the share with a token in its metadata, which the bank notes first.

    A share that is complete when another resource's failure reverts the restore is
    kept: it is whole, and the restore's record says so.
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
    ) -> Generator[Until, Any, None]:
        record = kwargs.get("restore")
        report(record, resource, constants.RESOURCE_STATUS_RESTORING)
        section = checkpoint.get_resource_bank_section(resource.id)
        with failing(
            exception.RestoreResourceFailed, "Share Snapshot", resource, record
        ):
            saved = SavedShare.load(section)
            notes = restore_notes(section, record)
            note = notes.take(_NOTE)
            manila = self._settings.manila(context)
            share = manila.shares.with_metadata(_TOKEN_KEY, note.token)
            if share is None:
                share = _create(manila, saved, parameters, note.token)
            share = yield manila.until_share(share["id"], _ON_THE_WAY)
            remarks = _publish(manila, share["id"], saved)
            if parameters.get("restore_access_rules", True):
                remarks += yield from _give_access(manila, share["id"], saved)
            notes.finish(note)
        kwargs["new_resources"][resource.id] = share["id"]
        remark = "; ".join(remarks)
        if remark:
            LOG.warning("Share %s was restored. %s", share["id"], remark)
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
        share_id = kwargs.get("new_resources", {}).get(resource.id)
        if share_id is not None:
            self._settings.manila(context).shares.delete_metadata(share_id, _TOKEN_KEY)
        restore_notes(section, kwargs.get("restore")).forget(_NOTE)

    def on_revert(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> Generator[Until, Any, None]:
        section = checkpoint.get_resource_bank_section(resource.id)
        notes = restore_notes(section, kwargs.get("restore"))
        is_whole = yield from settle(self._settings.manila(context), notes)
        if not is_whole:
            kwargs.get("new_resources", {}).pop(resource.id, None)


def settle(manila: Manila, notes: Notes) -> Generator[Until, Any, bool]:
    """Keep the share of a restore when it is whole, else delete it.

    Nothing will run again.

    :returns: whether it was whole, or there was none
    :raises KarborException: when Manila refuses it, or it does not go
    """
    note = notes.find(_NOTE)
    if note is None:
        return True
    share = manila.shares.with_metadata(_TOKEN_KEY, note.token)
    if share is not None and note.finished:
        manila.shares.delete_metadata(share["id"], _TOKEN_KEY)
    elif share is not None:
        yield from manila.remove_share(share["id"])
        LOG.info("Deleted share %s of a failed restore.", share["id"])
    notes.forget(_NOTE)
    return note.finished


def _create(
    manila: Manila, saved: SavedShare, parameters: dict[str, Any], token: str
) -> dict[str, Any]:
    snapshot = manila.snapshots.get(saved.snapshot_id)
    if snapshot is None:
        raise exception.InvalidInput(
            reason=_(
                "Manila has no share snapshot %s that this project sees. Such a "
                "snapshot stays in the cloud and the project of its share: restore "
                "there, or, when it was deleted, from another checkpoint"
            )
            % saved.snapshot_id
        )
    if snapshot["status"] != "available":
        raise exception.InvalidInput(
            reason=_("share snapshot %(id)s is '%(status)s', and must be 'available'")
            % {"id": saved.snapshot_id, "status": snapshot["status"]}
        )
    fields = saved.fields
    return manila.shares.create(
        {
            "share_proto": fields["share_proto"],
            "size": fields["size"],
            "snapshot_id": saved.snapshot_id,
            "name": parameters.get("restore_name") or fields["name"],
            "description": parameters.get("restore_description")
            or fields["description"],
            "metadata": {**saved.metadata, _TOKEN_KEY: token},
            "share_network": fields["share_network_id"],
            "share_type": fields["share_type"],
        }
    )


def _publish(manila: Manila, share_id: str, saved: SavedShare) -> list[str]:
    """Let every project see the new share if it saw the old one.

    :returns: what a person should know: that Manila refuses it
    """
    if not saved.fields["is_public"]:
        return []
    try:
        manila.shares.publish(share_id)
    except ServiceFailed as error:
        if error.retryable:
            raise
        return [_("The share stays private: %s") % error]
    return []


def _give_access(
    manila: Manila, share_id: str, saved: SavedShare
) -> Generator[Until, Any, list[str]]:
    """Let those mount the new share who could mount the old one.

    :returns: what a person should know: whom Manila refuses
    """
    given = {_rule_key(rule) for rule in manila.shares.access_rules(share_id)}
    refused = []
    for rule in saved.access_rules:
        kind, who, level = _rule_key(rule)
        if (kind, who, level) in given:
            continue
        try:
            manila.shares.allow(share_id, kind, who, level)
        except ServiceFailed as error:
            if error.retryable:
                raise
            refused.append(str(error))
    yield manila.until_access(share_id)
    refused.extend(
        _("the rule for %(access_type)s %(access_to)s is in error") % rule
        for rule in manila.shares.access_rules(share_id)
        if rule["state"] == "error"
    )
    return [_("Not everybody can mount it as before: %s") % text for text in refused]


def _rule_key(rule: dict[str, Any]) -> tuple[str, str, str]:
    return rule["access_type"], rule["access_to"], rule["access_level"]
