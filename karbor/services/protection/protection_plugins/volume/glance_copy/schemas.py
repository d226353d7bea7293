# SPDX-License-Identifier: Apache-2.0
"""What a person may say about a volume whose data goes to the bank, and sees of it."""

from typing import Any

from karbor.services.protection.bank import depth
from karbor.services.protection.protection_plugins.described import Schemas
from karbor.services.protection.protection_plugins.volume import properties

OPTIONS_SCHEMA: dict[str, Any] = {
    "title": "Volume Glance Protection Options",
    "type": "object",
    "properties": {
        "backup_name": {
            "type": ["string", "null"],
            "title": "Backup Name",
            "description": "The name of the backup.",
            "default": None,
        },
        "description": {
            "type": ["string", "null"],
            "title": "Description",
            "description": "The description of the backup.",
            "default": None,
        },
    },
    "required": ["backup_name"],
    "additionalProperties": False,
}

RESTORE_SCHEMA: dict[str, Any] = {
    "title": "Volume Glance Protection Restore",
    "type": "object",
    "properties": properties.NEW_VOLUME,
    "required": ["restore_name"],
    "additionalProperties": False,
}

VERIFY_SCHEMA: dict[str, Any] = {
    "title": "Volume Glance Protection Verify",
    "type": "object",
    "properties": depth.PROPERTIES,
    "additionalProperties": False,
}

SAVED_INFO_SCHEMA: dict[str, Any] = {
    "title": "Volume Glance Protection Saved Info",
    "type": "object",
    "properties": {
        "volume_metadata": properties.VOLUME_METADATA,
        "backup_name": {
            "type": ["string", "null"],
            "title": "Backup Name",
            "description": "The name that the plan gave the backup.",
        },
        "description": {
            "type": ["string", "null"],
            "title": "Description",
            "description": "What the plan says about the backup.",
        },
        "size": {
            "type": ["integer", "null"],
            "title": "Size",
            "description": "Bytes of the data in the bank; null while it is not there.",
        },
    },
    "required": ["volume_metadata"],
}

SCHEMAS = Schemas(OPTIONS_SCHEMA, RESTORE_SCHEMA, VERIFY_SCHEMA, SAVED_INFO_SCHEMA)
