# SPDX-License-Identifier: Apache-2.0
"""The bodies that the API takes."""

from karbor.api.schemas.types import (
    COPY_PARAMETERS,
    METADATA,
    NAME,
    PARAMETERS,
    URL,
    UUID,
    body_of,
)
from karbor.api.schemas.validation import Schema
from karbor.common import constants

_RESOURCES = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "properties": {
            "id": {"type": "string", "minLength": 1, "maxLength": 255},
            "type": {"type": "string", "minLength": 1, "maxLength": 255},
            "name": NAME,
            "extra_info": {"type": ["object", "string", "null"]},
        },
        "required": ["id", "type", "name"],
        "additionalProperties": False,
    },
}

PLAN_CREATE = body_of(
    "plan",
    {
        "name": NAME,
        "description": NAME,
        "provider_id": UUID,
        "parameters": PARAMETERS,
        "resources": _RESOURCES,
    },
    "provider_id",
    "resources",
)

PLAN_UPDATE = body_of(
    "plan",
    {
        "name": NAME,
        "description": NAME,
        "status": {
            "enum": [constants.PLAN_STATUS_SUSPENDED, constants.PLAN_STATUS_STARTED]
        },
        "resources": _RESOURCES,
        "parameters": PARAMETERS,
    },
)

CHECKPOINT_CREATE = body_of(
    "checkpoint",
    {"plan_id": UUID, "extra-info": METADATA, "extra_info": METADATA},
    "plan_id",
)

CHECKPOINT_RESET_STATE = body_of(
    "os-resetState",
    {
        "state": {
            "enum": [
                constants.CHECKPOINT_STATUS_AVAILABLE,
                constants.CHECKPOINT_STATUS_ERROR,
            ]
        }
    },
    "state",
)

COPY_CREATE = body_of(
    "copy", {"plan_id": UUID, "parameters": COPY_PARAMETERS}, "plan_id"
)

RESTORE_CREATE = body_of(
    "restore",
    {
        "provider_id": UUID,
        "checkpoint_id": UUID,
        "restore_target": URL,
        "restore_auth": METADATA,
        "parameters": PARAMETERS,
    },
    "provider_id",
    "checkpoint_id",
)

VERIFICATION_CREATE = body_of(
    "verification",
    {"provider_id": UUID, "checkpoint_id": UUID, "parameters": PARAMETERS},
    "provider_id",
    "checkpoint_id",
)

SERVICE_UPDATE = Schema(
    {
        "type": "object",
        "properties": {
            "status": {"enum": ["enabled", "disabled"]},
            "disabled_reason": NAME,
        },
        "required": ["status"],
        "additionalProperties": False,
    }
)
