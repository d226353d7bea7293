# SPDX-License-Identifier: Apache-2.0
"""What a person may say about a volume's backup in Cinder, and sees of it."""

from typing import Any

from karbor.services.protection.protection_plugins.described import Schemas
from karbor.services.protection.protection_plugins.volume import properties

OPTIONS_SCHEMA: dict[str, Any] = {
    "title": "Cinder Protection Options",
    "type": "object",
    "properties": {
        "backup_name": {
            "type": ["string", "null"],
            "maxLength": 255,
            "title": "Backup Name",
            "description": "The name of the backup. Default: 'karbor-' and the id of "
            "the checkpoint.",
            "default": None,
        },
        "backup_mode": {
            "type": "string",
            "enum": ["full", "incremental", "auto"],
            "title": "Backup Mode",
            "description": "Full, what has changed since the newest backup of the "
            "volume, or automatic: incremental when there is a backup to build on. A "
            "backup cannot be deleted before the incremental ones that build on it.",
            "default": "full",
        },
        "container": {
            "type": ["string", "null"],
            "maxLength": 255,
            "title": "Container",
            "description": "Where Cinder keeps the backup. Default: Cinder's own.",
            "default": None,
        },
        "availability_zone": {
            "type": ["string", "null"],
            "maxLength": 255,
            "title": "Availability Zone",
            "description": "Of the backup service. Default: Cinder chooses.",
            "default": None,
        },
        "description": {
            "type": ["string", "null"],
            "maxLength": 255,
            "title": "Description",
            "description": "The description of the backup.",
            "default": None,
        },
        "force": {
            "type": "boolean",
            "title": "Force",
            "description": "Back up a volume that is attached, while it changes. "
            "Needed only where the provider takes no snapshot first.",
            "default": False,
        },
    },
    "required": [],
    "additionalProperties": False,
}

RESTORE_SCHEMA: dict[str, Any] = {
    "title": "Cinder Protection Restore",
    "type": "object",
    "properties": {
        "volume_id": {
            "type": ["string", "null"],
            "title": "Volume ID",
            "description": "An available volume that is overwritten. Default: a new "
            "one is made.",
            "default": None,
        },
        **properties.NEW_VOLUME,
    },
    "required": [],
    "additionalProperties": False,
}

VERIFY_SCHEMA: dict[str, Any] = {
    "title": "Cinder Protection Verify",
    "type": "object",
    "properties": {},
    "additionalProperties": False,
}

SAVED_INFO_SCHEMA: dict[str, Any] = {
    "title": "Cinder Protection Saved Info",
    "type": "object",
    "properties": {
        "backup_id": {
            "type": ["string", "null"],
            "title": "Backup ID",
            "description": "The backup in Cinder; null while it is not complete.",
        },
        "name": {
            "type": ["string", "null"],
            "title": "Name",
            "description": "The name of the backup.",
        },
        "description": {
            "type": ["string", "null"],
            "title": "Description",
            "description": "The description of the backup.",
        },
        "container": {
            "type": ["string", "null"],
            "title": "Container",
            "description": "Where Cinder keeps it.",
        },
        "is_incremental": {
            "type": "boolean",
            "title": "Is Incremental",
            "description": "Whether it builds on an older backup.",
        },
        "volume_metadata": properties.VOLUME_METADATA,
    },
    "required": ["backup_id", "volume_metadata"],
}

SCHEMAS = Schemas(OPTIONS_SCHEMA, RESTORE_SCHEMA, VERIFY_SCHEMA, SAVED_INFO_SCHEMA)
