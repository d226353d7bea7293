# SPDX-License-Identifier: Apache-2.0
"""Whether a volume is in a state in which it can be protected."""

from collections.abc import Generator
from typing import Any

from karbor import exception
from karbor.i18n import _
from karbor.resource import Resource
from karbor.services.protection.protection_plugins.volume.settings import VolumeCloud
from karbor.services.protection.waiting.until import Until

#: The states in which Cinder makes snapshots and backups of a volume.
#: https://docs.openstack.org/api-ref/block-storage/v3/#volumes-volumes
FREE = ("available", "in-use")

#: States that end by themselves.
_PASSING = frozenset(
    {
        "attaching",
        "backing-up",
        "creating",
        "detaching",
        "downloading",
        "extending",
        "reserved",
        "restoring-backup",
        "retyping",
        "uploading",
    }
)

_ADVICE = {
    "awaiting-transfer": _("Accept or delete its transfer first"),
    "deleting": _("Leave it out of the plan"),
    "error_deleting": _("Leave it out of the plan"),
    "maintenance": _("Wait for the end of its migration"),
}


def free_volume(
    cloud: VolumeCloud, resource: Resource
) -> Generator[Until, Any, dict[str, Any]]:
    """The volume to protect, when nothing else is being done with it.

    :returns: it, ``available`` or ``in-use``
    :raises ProtectableResourceNotFound: when there is no such volume
    :raises ProtectableResourceInvalidStatus: when its state forbids it
    :raises WaitFailed: when what is done with it does not end, or ends badly
    """
    volume = cloud.volumes.get(resource.id)
    if volume is None:
        raise vanished(resource)
    status = cloud.volumes.status_of(volume)
    if status in _PASSING:
        volume = yield cloud.until(cloud.volumes, resource.id, *FREE, pending=_PASSING)
    elif status not in FREE:
        raise exception.ProtectableResourceInvalidStatus(
            id=resource.id, type=resource.type, status=_explain(cloud, volume, status)
        )
    return volume


def vanished(resource: Resource) -> exception.ProtectableResourceNotFound:
    """The error for a volume that is not there any more."""
    reason = _("Cinder has no such volume")
    if resource.name:
        reason = _("Cinder has no such volume; it was called '%s'") % resource.name
    return exception.ProtectableResourceNotFound(
        id=resource.id, type=resource.type, reason=reason
    )


def _explain(cloud: VolumeCloud, volume: dict[str, Any], status: str) -> str:
    parts = [f"'{status}'"]
    fault = cloud.volumes.told_fault_of(volume)
    if fault:
        parts.append(fault)
    parts.append(
        _ADVICE.get(status)
        or _("Only an available or attached volume can be protected: repair it first")
    )
    return ". ".join(part.rstrip(".") for part in parts)
