# SPDX-License-Identifier: Apache-2.0
"""Protecting a volume by a snapshot in Cinder."""

from contextlib import AbstractContextManager
from typing import Any

from karbor import exception
from karbor.context import RequestContext
from karbor.i18n import _
from karbor.resource import Resource
from karbor.services.protection.protection_plugin import Operation
from karbor.services.protection.protection_plugins.failing import failing
from karbor.services.protection.protection_plugins.resumable import protect_notes
from karbor.services.protection.protection_plugins.volume import temporary
from karbor.services.protection.protection_plugins.volume.description import (
    VolumeDescription,
)
from karbor.services.protection.protection_plugins.volume.kept.keep import take_back
from karbor.services.protection.protection_plugins.volume.kept.keeping import (
    MARK,
    SNAPSHOT,
    Marked,
    SavedVolume,
)
from karbor.services.protection.protection_plugins.volume.readiness import free_volume
from karbor.services.protection.protection_plugins.volume.settings import (
    VolumeSettings,
)
from karbor.services.protection.waiting.until import Waits


class ProtectOperation(Operation):
    """A snapshot when preparing, so that a paused server need not wait for more."""

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
            done = SavedVolume.find(section, SNAPSHOT)
            if done is not None and done.kept_id is not None:
                return
            cloud = self._settings.cloud(context)
            volume = yield from free_volume(cloud, resource)
            if volume["status"] == "in-use" and parameters.get("force") is False:
                raise exception.ProtectableResourceInvalidStatus(
                    id=resource.id,
                    type=resource.type,
                    status=_(
                        "'in-use'. Do not say force=false in the plan's parameters, "
                        "or detach it"
                    ),
                )
            notes = protect_notes(section)
            name = parameters.get("snapshot_name") or f"karbor-{checkpoint.id}"
            made = temporary.find_or_make(
                notes,
                MARK,
                Marked(cloud.snapshots, resource.id),
                lambda mark: cloud.snapshots.create(
                    resource.id,
                    name,
                    description=parameters.get("description"),
                    metadata={MARK: mark},
                ),
            )
            snapshot = yield cloud.until(
                cloud.snapshots, made["id"], "available", pending=("creating",)
            )
            details = {
                "name": snapshot["name"],
                "description": snapshot["description"],
            }
            described = VolumeDescription.of(volume).with_size(snapshot["size"])
            SavedVolume(described, snapshot["id"], details).save(section, SNAPSHOT)
            notes.forget(MARK)

    def on_revert(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> Waits:
        section = checkpoint.get_resource_bank_section(resource.id)
        cloud = self._settings.cloud(context)
        yield from take_back(cloud, SNAPSHOT, section, resource.id)
        section.delete_all()


def _failing(resource: Resource) -> AbstractContextManager[None]:
    return failing(exception.CreateResourceFailed, SNAPSHOT.title, resource)
