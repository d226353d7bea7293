# SPDX-License-Identifier: Apache-2.0
"""What a person may say about protecting a share, and sees of a saved one."""

from typing import Any

from karbor.services.protection.protection_plugins.described import Schemas

OPTIONS_SCHEMA: dict[str, Any] = {
    "title": "Share Protection Options",
    "type": "object",
    "properties": {
        "snapshot_name": {
            "type": ["string", "null"],
            "maxLength": 255,
            "title": "Snapshot Name",
            "description": "The name of the snapshot. Default: none.",
            "default": None,
        },
        "description": {
            "type": ["string", "null"],
            "maxLength": 200,
            "title": "Description",
            "description": "The description of the snapshot; Karbor adds a mark by "
            "which it finds the snapshot again.",
            "default": None,
        },
        "force": {
            "type": "boolean",
            "title": "Force",
            "description": "Whether to take a snapshot of a share that is not "
            "'available', instead of waiting for it.",
            "default": False,
        },
    },
    "required": [],
    "additionalProperties": False,
}

RESTORE_SCHEMA: dict[str, Any] = {
    "title": "Share Protection Restore",
    "type": "object",
    "properties": {
        "restore_name": {
            "type": ["string", "null"],
            "maxLength": 255,
            "title": "Restore Share Name",
            "description": "The name of the restored share. Default: the name that "
            "the share had.",
            "default": None,
        },
        "restore_description": {
            "type": ["string", "null"],
            "maxLength": 255,
            "title": "Restore Share Description",
            "description": "The description of the restored share. Default: the one "
            "that the share had.",
            "default": None,
        },
        "restore_access_rules": {
            "type": "boolean",
            "title": "Restore Access Rules",
            "description": "Whether those who could mount the share can mount the "
            "restored one.",
            "default": True,
        },
    },
    "required": [],
    "additionalProperties": False,
}

VERIFY_SCHEMA: dict[str, Any] = {
    "title": "Share Protection Verify",
    "type": "object",
    "properties": {},
    "additionalProperties": False,
}

SAVED_INFO_SCHEMA: dict[str, Any] = {
    "title": "Share Protection Saved Info",
    "type": "object",
    "properties": {
        "snapshot_id": {
            "type": "string",
            "title": "Snapshot",
            "description": "The id of the snapshot in Manila.",
        },
        "snapshot_name": {
            "type": ["string", "null"],
            "title": "Snapshot Name",
            "description": "The name that the plan gave the snapshot.",
        },
        "share_metadata": {
            "type": "object",
            "title": "Share Metadata",
            "description": "What the share was when it was protected: its name, size "
            "in GiB, protocol, type, network, metadata and access rules.",
        },
    },
    "required": ["snapshot_id", "share_metadata"],
}

SCHEMAS = Schemas(OPTIONS_SCHEMA, RESTORE_SCHEMA, VERIFY_SCHEMA, SAVED_INFO_SCHEMA)
