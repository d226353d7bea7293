# SPDX-License-Identifier: Apache-2.0
"""The actions of Freezer's jobs, as its agent takes them.

https://docs.openstack.org/freezer/latest/user/freezer-agent.html
"""

from typing import Any

from karbor.services.protection.protection_plugins.freezer.saved_backup import (
    SavedBackup,
)
from karbor.services.protection.protection_plugins.freezer.settings import (
    FreezerSettings,
)
from karbor.services.protection.protection_plugins.freezer.targets import KINDS

#: Days: all that was made before tomorrow.
_EVERYTHING = "-1"


def prefix_of(mark: str, index: int) -> str:
    """How the name of all begins that the action for a target makes."""
    return f"{mark}-{index}"


def backup_actions(
    settings: FreezerSettings, saved: SavedBackup, mark: str
) -> list[dict[str, Any]]:
    """Save each target."""
    return [
        {**common, "action": "backup", "backup_name": saved.backup_name}
        for common in _commons(settings, saved, mark)
    ]


def restore_actions(
    settings: FreezerSettings, saved: SavedBackup, mark: str
) -> list[dict[str, Any]]:
    """Make each target anew."""
    return [
        {
            **common,
            "action": "restore",
            "backup_name": KINDS[target.kind].restore_name(
                saved, prefix_of(mark, index)
            ),
        }
        for index, (target, common) in enumerate(
            zip(saved.targets, _commons(settings, saved, mark), strict=True)
        )
    ]


def delete_actions(
    settings: FreezerSettings, saved: SavedBackup, mark: str
) -> list[dict[str, Any]]:
    """Take each target's data out of the storage."""
    return [
        {
            **common,
            "action": "admin",
            "backup_name": saved.backup_name,
            "remove_older_than": _EVERYTHING,
        }
        for common in _commons(settings, saved, mark)
    ]


def _commons(
    settings: FreezerSettings, saved: SavedBackup, mark: str
) -> list[dict[str, Any]]:
    hostname = {"hostname": saved.hostname} if saved.hostname else {}
    return [
        {
            **settings.storage_fields(saved.storage),
            **KINDS[target.kind].fields(target),
            **hostname,
            "container": saved.container,
            "temp_resource_prefix": prefix_of(mark, index) + "-",
        }
        for index, target in enumerate(saved.targets)
    ]
