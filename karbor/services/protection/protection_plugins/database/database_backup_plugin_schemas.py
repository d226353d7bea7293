# SPDX-License-Identifier: Apache-2.0
"""What a person may say about protecting a database, and sees of a saved one."""

from typing import Any

from karbor.services.protection.protection_plugins.described import Schemas

OPTIONS_SCHEMA: dict[str, Any] = {
    "title": "Database Instance Protection Options",
    "type": "object",
    "properties": {
        "backup_name": {
            "type": ["string", "null"],
            "maxLength": 64,
            "title": "Backup Name",
            "description": "The name of the backup. Default: 'backup' and the id of "
            "the instance.",
            "default": None,
        },
        "description": {
            "type": ["string", "null"],
            "maxLength": 200,
            "title": "Description",
            "description": "The description of the backup; Karbor adds a mark by "
            "which it finds the backup again.",
            "default": None,
        },
        "incremental": {
            "type": "boolean",
            "title": "Incremental",
            "description": "Whether to save only what changed since the last complete "
            "backup of the instance; where there is none, Trove makes a full one.",
            "default": False,
        },
        "parent_id": {
            "type": ["string", "null"],
            "title": "Parent Backup",
            "description": "The id of the backup that an incremental one is based on. "
            "Default: the last one.",
            "default": None,
        },
        "swift_container": {
            "type": ["string", "null"],
            "title": "Swift Container",
            "description": "The container of the project for the backup's data. "
            "Default: the one that Trove is configured with.",
            "default": None,
        },
    },
    "required": [],
    "additionalProperties": False,
}

_NIC: dict[str, Any] = {
    "type": "object",
    "properties": {
        "network_id": {"type": "string"},
        "subnet_id": {"type": "string"},
        "ip_address": {"type": "string"},
    },
    "required": ["network_id"],
    "additionalProperties": False,
}

RESTORE_SCHEMA: dict[str, Any] = {
    "title": "Database Instance Protection Restore",
    "type": "object",
    "properties": {
        "restore_name": {
            "type": ["string", "null"],
            "maxLength": 255,
            "title": "Restore Database Instance Name",
            "description": "The name of the restored instance. Default: the name that "
            "the instance had.",
            "default": None,
        },
        "restore_flavor_id": {
            "type": ["string", "null"],
            "title": "Restore Flavor",
            "description": "The flavor of the restored instance. Default: the one "
            "that the instance had.",
            "default": None,
        },
        "restore_volume_size": {
            "type": ["integer", "null"],
            "minimum": 1,
            "title": "Restore Volume Size",
            "description": "GiB of the restored instance's volume, as many as the "
            "instance had or more. Default: as many.",
            "default": None,
        },
        "restore_nics": {
            "type": ["array", "null"],
            "items": _NIC,
            "title": "Restore Networks",
            "description": "The networks of the restored instance. Default: those "
            "that the instance had, or what replaced them.",
            "default": None,
        },
    },
    "required": [],
    "additionalProperties": False,
}

VERIFY_SCHEMA: dict[str, Any] = {
    "title": "Database Instance Protection Verify",
    "type": "object",
    "properties": {},
    "additionalProperties": False,
}

SAVED_INFO_SCHEMA: dict[str, Any] = {
    "title": "Database Instance Protection Saved Info",
    "type": "object",
    "properties": {
        "backup_id": {
            "type": "string",
            "title": "Backup",
            "description": "The id of the backup in Trove.",
        },
        "backup_name": {
            "type": ["string", "null"],
            "title": "Backup Name",
            "description": "The name of the backup.",
        },
        "parent_id": {
            "type": ["string", "null"],
            "title": "Parent Backup",
            "description": "The backup that an incremental one is based on.",
        },
        "instance_metadata": {
            "type": "object",
            "title": "Instance Metadata",
            "description": "What the instance was when it was protected: its name, "
            "flavor, GiB, datastore, networks, access and configuration group.",
        },
    },
    "required": ["backup_id", "instance_metadata"],
}

SCHEMAS = Schemas(OPTIONS_SCHEMA, RESTORE_SCHEMA, VERIFY_SCHEMA, SAVED_INFO_SCHEMA)
