# SPDX-License-Identifier: Apache-2.0
"""What the plugins' schemas have in common."""

from typing import Any

#: What a person may say about the volume that a restore makes.
NEW_VOLUME: dict[str, Any] = {
    "restore_name": {
        "type": ["string", "null"],
        "maxLength": 255,
        "title": "Restore Name",
        "description": "The name of the restored volume. Default: the name that the "
        "volume had.",
        "default": None,
    },
    "restore_description": {
        "type": ["string", "null"],
        "maxLength": 255,
        "title": "Restore Description",
        "description": "The description of the restored volume. Default: the one "
        "that the volume had.",
        "default": None,
    },
    "volume_type": {
        "type": ["string", "null"],
        "title": "Volume Type",
        "description": "The name of the restored volume's type. Default: the type "
        "that the volume had, or where there is none of that name, Cinder's default "
        "type.",
        "default": None,
    },
    "availability_zone": {
        "type": ["string", "null"],
        "title": "Availability Zone",
        "description": "Where the volume is restored. Default: the zone that the "
        "volume was in, or where there is none of that name, Cinder's default zone.",
        "default": None,
    },
}

VOLUME_METADATA: dict[str, Any] = {
    "type": "object",
    "title": "Volume Metadata",
    "description": "What the volume was when it was protected: its name, size, type, "
    "metadata and so on.",
}
