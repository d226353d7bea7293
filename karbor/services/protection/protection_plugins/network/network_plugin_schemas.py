# SPDX-License-Identifier: Apache-2.0
"""What a person may say about protecting a network, and sees of a saved one."""

from typing import Any

from karbor.services.protection.protection_plugins.described import Schemas

OPTIONS_SCHEMA: dict[str, Any] = {
    "title": "Network Protection Options",
    "type": "object",
    "properties": {},
    "required": [],
    "additionalProperties": False,
}

RESTORE_SCHEMA: dict[str, Any] = {
    "title": "Network Protection Restore",
    "type": "object",
    "properties": {
        "restore_name": {
            "type": "string",
            "maxLength": 255,
            "title": "Restore Network Name",
            "description": "The name of a network that is made anew. Default: the name "
            "that the network had.",
        },
        "external_networks": {
            "type": "object",
            "additionalProperties": {"type": "string", "minLength": 1},
            "title": "External Networks",
            "description": "Which networks of others to use, external or shared: by "
            "the id or name of the original one, the id or name of the one to use. "
            "Default: the same one, else one of the same name.",
        },
        "public_network_id": {
            "type": "string",
            "minLength": 1,
            "title": "Public Network",
            "description": "The id or name of the external network for the gateways of "
            "routers whose own is not found.",
        },
    },
    "required": [],
    "additionalProperties": False,
}

VERIFY_SCHEMA: dict[str, Any] = {
    "title": "Network Protection Verify",
    "type": "object",
    "properties": {},
    "additionalProperties": False,
}

_THINGS: dict[str, Any] = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"id": {"type": "string"}, "name": {"type": "string"}},
        "required": ["id"],
    },
}

SAVED_INFO_SCHEMA: dict[str, Any] = {
    "title": "Network Protection Saved Info",
    "type": "object",
    "properties": {
        "networks": {**_THINGS, "title": "Networks"},
        "subnets": {**_THINGS, "title": "Subnets"},
        "routers": {**_THINGS, "title": "Routers"},
        "ports": {**_THINGS, "title": "Ports"},
        "security_groups": {**_THINGS, "title": "Security Groups"},
        "floating_ips": {
            "type": "array",
            "items": {"type": "string"},
            "title": "Floating Addresses",
            "description": "Of ports on the network, when it was protected.",
        },
    },
    "required": ["networks"],
}

SCHEMAS = Schemas(OPTIONS_SCHEMA, RESTORE_SCHEMA, VERIFY_SCHEMA, SAVED_INFO_SCHEMA)
