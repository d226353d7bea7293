# SPDX-License-Identifier: Apache-2.0
"""What a person may say about protecting by Freezer, and sees of what is saved."""

import dataclasses
from typing import Any

from karbor.services.protection.protection_plugins.described import Schemas

OPTIONS_SCHEMA: dict[str, Any] = {
    "title": "Freezer Protection Options",
    "type": "object",
    "properties": {
        "backup_name": {
            "type": ["string", "null"],
            "maxLength": 128,
            "title": "Backup Name",
            "description": "The name of the backup in Freezer's storage. Default: "
            "'backup' and the id of the resource.",
            "default": None,
        },
        "description": {
            "type": ["string", "null"],
            "maxLength": 200,
            "title": "Description",
            "description": "The description of the Freezer job while it runs; Karbor "
            "adds a mark by which it finds the job again.",
            "default": None,
        },
    },
    "required": [],
    "additionalProperties": False,
}

RESTORE_SCHEMA: dict[str, Any] = {
    "title": "Freezer Protection Restore",
    "type": "object",
    "properties": {
        "restore_name": {
            "type": ["string", "null"],
            "maxLength": 255,
            "title": "Restore Resource Name",
            "description": "The name of what is restored. Default: the name that the "
            "resource had.",
            "default": None,
        }
    },
    "required": [],
    "additionalProperties": False,
}

#: The servers of a project keep their names.
PROJECT_RESTORE_SCHEMA: dict[str, Any] = {
    **RESTORE_SCHEMA,
    "title": "Freezer Project Protection Restore",
    "properties": {},
}

VERIFY_SCHEMA: dict[str, Any] = {
    "title": "Freezer Protection Verify",
    "type": "object",
    "properties": {},
    "additionalProperties": False,
}

SAVED_INFO_SCHEMA: dict[str, Any] = {
    "title": "Freezer Protection Saved Info",
    "type": "object",
    "properties": {
        "backup_name": {
            "type": "string",
            "title": "Backup Name",
            "description": "The name of the backup in Freezer's storage.",
        },
        "storage": {
            "type": "string",
            "title": "Storage",
            "description": "The kind of Freezer's storage.",
        },
        "container": {
            "type": "string",
            "title": "Container",
            "description": "Where the backup is in that storage.",
        },
        "size": {
            "type": ["integer", "null"],
            "title": "Size",
            "description": "Bytes of the backup, where Karbor can see them.",
        },
        "resources": {
            "type": "array",
            "title": "Resources",
            "description": "The volumes or servers that the backup has.",
            "items": {"type": "object"},
        },
    },
    "required": ["backup_name", "storage", "container"],
}

SCHEMAS = Schemas(OPTIONS_SCHEMA, RESTORE_SCHEMA, VERIFY_SCHEMA, SAVED_INFO_SCHEMA)
PROJECT_SCHEMAS = dataclasses.replace(SCHEMAS, restore=PROJECT_RESTORE_SCHEMA)
