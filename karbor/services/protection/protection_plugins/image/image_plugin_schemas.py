# SPDX-License-Identifier: Apache-2.0
"""What a person may say about protecting an image, and sees of a saved one."""

from typing import Any

from karbor.services.protection.bank import depth
from karbor.services.protection.protection_plugins.described import Schemas

OPTIONS_SCHEMA: dict[str, Any] = {
    "title": "Image Protection Options",
    "type": "object",
    "properties": {
        "backup_name": {
            "type": ["string", "null"],
            "title": "Backup Name",
            "description": "The name of the backup.",
            "default": None,
        }
    },
    "required": [],
    "additionalProperties": False,
}

RESTORE_SCHEMA: dict[str, Any] = {
    "title": "Image Protection Restore",
    "type": "object",
    "properties": {
        "restore_name": {
            "type": "string",
            "maxLength": 255,
            "title": "Restore Image Name",
            "description": "The name of the restored image. Default: the name that "
            "the image had.",
        }
    },
    "required": [],
    "additionalProperties": False,
}

VERIFY_SCHEMA: dict[str, Any] = {
    "title": "Image Protection Verify",
    "type": "object",
    "properties": depth.PROPERTIES,
    "additionalProperties": False,
}

SAVED_INFO_SCHEMA: dict[str, Any] = {
    "title": "Image Protection Saved Info",
    "type": "object",
    "properties": {
        "image_metadata": {
            "type": "object",
            "title": "Image Metadata",
            "description": "The fields, properties and tags of the image when it "
            "was protected.",
        },
        "backup_name": {
            "type": ["string", "null"],
            "title": "Backup Name",
            "description": "The name that the plan gave the backup.",
        },
    },
    "required": ["image_metadata"],
}

SCHEMAS = Schemas(OPTIONS_SCHEMA, RESTORE_SCHEMA, VERIFY_SCHEMA, SAVED_INFO_SCHEMA)
