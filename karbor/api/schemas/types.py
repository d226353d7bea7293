# SPDX-License-Identifier: Apache-2.0
"""Pieces that the schemas of the bodies share."""

from typing import Any

from karbor.api.schemas.validation import Schema

NAME = {"type": ["string", "null"], "maxLength": 255}
UUID = {"type": "string", "format": "uuid"}
URL = {**NAME, "format": "http URL without credentials"}

_KEY = "^[a-zA-Z0-9-_:.# ]{1,255}$"

#: Flat settings: what a person can say on a command line.
METADATA = {
    "type": ["object", "null"],
    "patternProperties": {_KEY: {"type": ["boolean", "string", "integer", "null"]}},
    "additionalProperties": False,
}

#: By resource type, or ``type#id``; what is in them is the plugins' business.
PARAMETERS = {
    "type": ["object", "null"],
    "patternProperties": {_KEY: {"type": "object"}},
    "additionalProperties": False,
}

#: Of a copy: the same, and whose bank it goes to.
COPY_PARAMETERS = {
    **PARAMETERS,
    "properties": {"target_provider_id": UUID},
    "patternProperties": {
        f"^(?!target_provider_id$){_KEY.removeprefix('^')}": {"type": "object"}
    },
}


def body_of(name: str, properties: dict[str, Any], *required: str) -> Schema:
    """The schema of ``{name: {…}}``, which takes the given properties only."""
    return Schema(
        {
            "type": "object",
            "properties": {
                name: {
                    "type": "object",
                    "properties": properties,
                    "required": list(required),
                    "additionalProperties": False,
                }
            },
            "required": [name],
            "additionalProperties": False,
        }
    )
