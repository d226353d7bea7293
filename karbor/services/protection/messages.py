# SPDX-License-Identifier: Apache-2.0
"""What callers send, checked for its shape and turned into values.

Whatever arrives over RPC is checked here first, so that the rooms behind may rely
on types, and a caller learns which field of which message was wrong.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jsonschema
from oslo_utils import uuidutils

from karbor import exception
from karbor.resource import Resource

#: One part of a bank key: an id becomes the name of a section.
_NAME = {
    "type": "string",
    "minLength": 1,
    "maxLength": 255,
    "pattern": r"^(?!\.{1,2}$)[^/\x00-\x1f\x7f]+$",
}
_TEXT = {"type": ["string", "null"], "maxLength": 255}
_OBJECT = {"type": ["object", "null"]}
_STRINGS = {"type": ["array", "null"], "items": {"type": "string"}}
_PAGE = {
    "marker": {"type": ["string", "null"]},
    "limit": {"type": ["integer", "null"], "minimum": 0},
    "sort_keys": _STRINGS,
    "sort_dirs": {
        "type": ["array", "null"],
        "items": {"enum": ["asc", "desc"]},
    },
    "filters": _OBJECT,
}

_RESOURCE = {
    "type": "object",
    "required": ["id", "type"],
    "properties": {
        "id": _NAME,
        "type": {"type": "string", "minLength": 1, "maxLength": 255},
        "name": {"type": ["string", "null"]},
        "extra_info": {"type": ["object", "string", "null"]},
    },
}
_PLAN = {
    "type": "object",
    "required": ["id", "provider_id"],
    "properties": {
        "id": _NAME,
        "name": _TEXT,
        "provider_id": _NAME,
        "project_id": {"anyOf": [_NAME, {"type": "null"}]},
        "resources": {"type": "array", "items": _RESOURCE},
        "parameters": _OBJECT,
    },
}
_RECORD = {
    "type": "object",
    "required": ["id", "provider_id", "checkpoint_id"],
    "properties": {
        "id": _NAME,
        "provider_id": _NAME,
        "checkpoint_id": _NAME,
        "project_id": {"anyOf": [_NAME, {"type": "null"}]},
        "parameters": _OBJECT,
        "restore_target": {"type": ["string", "null"]},
    },
}


def _arguments(*required: str, **properties: Any) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(
        {"type": "object", "required": list(required), "properties": properties}
    )


_CHECKPOINT = {"provider_id": _NAME, "checkpoint_id": _NAME}

#: The arguments of each method, beyond those that have a class of their own below.
_ARGUMENTS = {
    "protect": _arguments(checkpoint_properties=_OBJECT),
    "restore": _arguments(restore_auth=_OBJECT),
    "verification": _arguments(),
    "copy": _arguments(),
    "delete": _arguments(*_CHECKPOINT, **_CHECKPOINT),
    "reset_state": _arguments(*_CHECKPOINT, "state", **_CHECKPOINT, state=_NAME),
    "show_checkpoint": _arguments(*_CHECKPOINT, **_CHECKPOINT),
    "list_checkpoints": _arguments(
        "provider_id", provider_id=_NAME, all_tenants={"type": "boolean"}, **_PAGE
    ),
    "list_protectable_types": _arguments(),
    "show_protectable_type": _arguments("protectable_type", protectable_type=_NAME),
    "list_protectable_instances": _arguments(
        "protectable_type", protectable_type=_NAME, parameters=_OBJECT, **_PAGE
    ),
    "show_protectable_instance": _arguments(
        "protectable_type",
        "protectable_id",
        protectable_type=_NAME,
        protectable_id=_NAME,
        parameters=_OBJECT,
    ),
    "list_protectable_dependents": _arguments(
        "protectable_type",
        "protectable_id",
        protectable_type=_NAME,
        protectable_id=_NAME,
        protectable_name={"type": ["string", "null"]},
    ),
    "list_providers": _arguments(**_PAGE),
    "show_provider": _arguments("provider_id", provider_id=_NAME),
}

_plan_validator = jsonschema.Draft202012Validator(_PLAN)
_record_validator = jsonschema.Draft202012Validator(_RECORD)


def _check(
    validator: jsonschema.Draft202012Validator,
    value: Any,
    complain: Callable[[str], exception.KarborException],
) -> None:
    error = next(validator.iter_errors(value), None)
    if error is not None:
        # Not the whole message: it may quote a value, and values may be secret.
        where = error.json_path.removeprefix("$").lstrip(".") or "the message"
        if error.validator == "required":
            what = error.message
        else:
            what = f"does not satisfy {error.validator} {error.validator_value!r}"
        raise complain(f"{where}: {what}")


def check_arguments(method: str, arguments: Mapping[str, Any]) -> None:
    """Check the arguments of one RPC method.

    :param arguments: by name, versioned objects already made plain
    :raises InvalidInput: naming the method, the argument and the rule
    """
    _check(
        _ARGUMENTS[method],
        dict(arguments),
        lambda reason: exception.InvalidInput(reason=f"{method}: {reason}"),
    )


@dataclasses.dataclass(frozen=True)
class Plan:
    """A plan as a caller sends it, to be protected or copied."""

    id: str
    name: str | None
    provider_id: str
    project_id: str | None
    resources: tuple[Resource, ...]
    parameters: dict[str, Any]

    @classmethod
    def parse(cls, value: Any) -> "Plan":
        """Check and convert.

        :raises InvalidPlan: naming the field and the rule
        """
        if not value:
            raise exception.InvalidPlan(reason="the plan is empty")
        _check(
            _plan_validator, value, lambda reason: exception.InvalidPlan(reason=reason)
        )
        return cls(
            id=value["id"],
            name=value.get("name"),
            provider_id=value["provider_id"],
            project_id=value.get("project_id"),
            resources=tuple(
                Resource(
                    type=item["type"],
                    id=item["id"],
                    name=item.get("name"),
                    extra_info=item.get("extra_info"),
                )
                for item in value.get("resources") or ()
            ),
            parameters=value.get("parameters") or {},
        )

    def to_dict(self) -> dict[str, Any]:
        """The plan as checkpoints and flows keep it."""
        return {
            "id": self.id,
            "name": self.name,
            "provider_id": self.provider_id,
            "project_id": self.project_id,
            "resources": [resource.to_dict() for resource in self.resources],
            "parameters": self.parameters,
        }


@dataclasses.dataclass(frozen=True)
class RecordRequest:
    """A restore or a verification as a caller sends it."""

    id: str
    provider_id: str
    checkpoint_id: str
    project_id: str | None
    parameters: dict[str, Any]
    restore_target: str | None = None

    @classmethod
    def parse(cls, value: Any, what: str) -> "RecordRequest":
        """Check and convert.

        :param what: ``restore`` or ``verification``, for the error
        :raises InvalidInput: naming the field and the rule
        """
        _check(
            _record_validator,
            value or {},
            lambda reason: exception.InvalidInput(reason=f"{what}: {reason}"),
        )
        if not uuidutils.is_uuid_like(value["id"]):
            raise exception.InvalidInput(reason=f"{what}: id is not a UUID")
        return cls(
            id=value["id"],
            provider_id=value["provider_id"],
            checkpoint_id=value["checkpoint_id"],
            project_id=value.get("project_id"),
            parameters=value.get("parameters") or {},
            restore_target=value.get("restore_target") or None,
        )
