# SPDX-License-Identifier: Apache-2.0
"""What a person may say about a volume's snapshot in Cinder, and sees of it."""

from typing import Any

from karbor.services.protection.protection_plugins.described import Schemas
from karbor.services.protection.protection_plugins.volume import properties

OPTIONS_SCHEMA: dict[str, Any] = {
    "title": "Volume Snapshot Options",
    "type": "object",
    "properties": {
        "snapshot_name": {
            "type": ["string", "null"],
            "maxLength": 255,
            "title": "Snapshot Name",
            "description": "The name of the snapshot. Default: 'karbor-' and the id "
            "of the checkpoint.",
            "default": None,
        },
        "description": {
            "type": ["string", "null"],
            "maxLength": 255,
            "title": "Description",
            "description": "The description of the snapshot.",
            "default": None,
        },
        "force": {
            "type": "boolean",
            "title": "Force",
            "description": "Take a snapshot of a volume that is attached too. Without "
            "it such a volume is an error.",
            "default": True,
        },
    },
    "required": [],
    "additionalProperties": False,
}

RESTORE_SCHEMA: dict[str, Any] = {
    "title": "Volume Snapshot Restore",
    "type": "object",
    "properties": {
        **properties.NEW_VOLUME,
        "volume_type": {
            **properties.NEW_VOLUME["volume_type"],
            "description": "The name of the restored volume's type, where Cinder can "
            "make one of it from the snapshot. Default: the snapshot's type.",
        },
        "availability_zone": {
            **properties.NEW_VOLUME["availability_zone"],
            "description": "Where the volume is restored, where Cinder allows "
            "another zone than the snapshot's. Default: the snapshot's zone.",
        },
    },
    "required": [],
    "additionalProperties": False,
}

VERIFY_SCHEMA: dict[str, Any] = {
    "title": "Volume Snapshot Verify",
    "type": "object",
    "properties": {},
    "additionalProperties": False,
}

SAVED_INFO_SCHEMA: dict[str, Any] = {
    "title": "Volume Snapshot Saved Info",
    "type": "object",
    "properties": {
        "snapshot_id": {
            "type": ["string", "null"],
            "title": "Snapshot ID",
            "description": "The snapshot in Cinder; null while it is not complete.",
        },
        "name": {
            "type": ["string", "null"],
            "title": "Name",
            "description": "The name of the snapshot.",
        },
        "description": {
            "type": ["string", "null"],
            "title": "Description",
            "description": "The description of the snapshot.",
        },
        "volume_metadata": properties.VOLUME_METADATA,
    },
    "required": ["snapshot_id", "volume_metadata"],
}

SCHEMAS = Schemas(OPTIONS_SCHEMA, RESTORE_SCHEMA, VERIFY_SCHEMA, SAVED_INFO_SCHEMA)
