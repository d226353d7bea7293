# SPDX-License-Identifier: Apache-2.0
"""What a person may say about protecting a server, and sees of a saved one."""

from typing import Any

from karbor.services.protection.protection_plugins.described import Schemas

OPTIONS_SCHEMA: dict[str, Any] = {
    "title": "Server Protection Options",
    "type": "object",
    "properties": {
        "quiesce": {
            "type": "string",
            "enum": ["none", "pause", "suspend"],
            "default": "none",
            "title": "Quiesce",
            "description": "What keeps a running server still while its volumes are "
            "snapshotted, so that they belong to one moment: nothing, pausing it, or "
            "suspending it. It runs again when all have a snapshot.",
        }
    },
    "required": [],
    "additionalProperties": False,
}

RESTORE_SCHEMA: dict[str, Any] = {
    "title": "Server Protection Restore",
    "type": "object",
    "properties": {
        "restore_name": {
            "type": "string",
            "minLength": 1,
            "maxLength": 255,
            "title": "Restore Server Name",
            "description": "The name of the restored server. Default: the name that "
            "the server had.",
        },
        "restore_image_id": {
            "type": "string",
            "minLength": 1,
            "title": "Restore Image ID",
            "description": "The image that a server which was booted from one is "
            "booted from. Default: what that image became, or the same one.",
        },
        "restore_flavor_id": {
            "type": "string",
            "minLength": 1,
            "title": "Restore Flavor ID",
            "description": "The flavor of the restored server. Default: the one that "
            "it had, or one of the same name or size.",
        },
        "restore_net_id": {
            "type": "string",
            "minLength": 1,
            "title": "Restore Network ID",
            "description": "The network of every port of the restored server that "
            "restore_networks does not name another for.",
        },
        "restore_networks": {
            "type": "object",
            "additionalProperties": {"type": "string", "minLength": 1},
            "title": "Restore Networks",
            "description": "For the id of a network that the server was on, or that a "
            "floating address of it came from, the id of the one to use instead.",
        },
        "restore_key_name": {
            "type": "string",
            "minLength": 1,
            "title": "Restore Keypair Name",
            "description": "The keypair of the restored server. Default: the one that "
            "it had, when whoever restores has one of that name.",
        },
        "restore_availability_zone": {
            "type": "string",
            "minLength": 1,
            "title": "Restore Availability Zone",
            "description": "Where the restored server runs. Default: where it ran, "
            "when there is such a zone.",
        },
        "restore_security_groups": {
            "type": "array",
            "items": {"type": "string", "minLength": 1},
            "title": "Restore Security Groups",
            "description": "The ids or names of the security groups of every port of "
            "the restored server. Default: those that each port had.",
        },
    },
    "required": [],
    "additionalProperties": False,
}

VERIFY_SCHEMA: dict[str, Any] = {
    "title": "Server Protection Verify",
    "type": "object",
    "properties": {},
    "additionalProperties": False,
}

SAVED_INFO_SCHEMA: dict[str, Any] = {
    "title": "Server Protection Saved Info",
    "type": "object",
    "properties": {
        "server_metadata": {
            "type": "object",
            "title": "Server Metadata",
            "description": "What the server was when it was protected.",
        },
        "flavor": {
            "type": "object",
            "title": "Flavor",
            "description": "Its flavor, with the extra specs.",
        },
        "attach_metadata": {
            "type": "object",
            "title": "Attached Volume Metadata",
            "description": "For the id of each volume, its device.",
        },
        "ports": {
            "type": "array",
            "title": "Ports",
            "description": "Its ports, with their addresses.",
        },
    },
    "required": ["server_metadata", "attach_metadata"],
}

SCHEMAS = Schemas(OPTIONS_SCHEMA, RESTORE_SCHEMA, VERIFY_SCHEMA, SAVED_INFO_SCHEMA)
