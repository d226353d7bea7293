# SPDX-License-Identifier: Apache-2.0
"""The parameters of an operation, checked before anything is made.

Parameters are given for a resource type (``OS::Glance::Image``) or for one resource
(``OS::Glance::Image#<id>``). A resource sees those of its type, overlaid key by key by
its own; that is what is checked against the plugin's schema. A resource for which
nobody gave parameters is not checked: its plugin has defaults.
"""

import dataclasses
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from jsonschema import ValidationError
from jsonschema.protocols import Validator
from oslo_serialization import jsonutils
from oslo_utils import strutils

from karbor import exception
from karbor.common import constants
from karbor.resource import Resource
from karbor.services.protection.schemas import KIND_OF_OPERATION, PluginSchemas

_SECRET = re.compile(r"pass|secret|token|credential|key|auth", re.IGNORECASE)

_Values = dict[str, Any]


def validate(
    schemas: PluginSchemas,
    operation: str,
    parameters: Any,
    resources: Iterable[Resource] | None = None,
) -> dict[str, _Values]:
    """Check and convert the parameters of an operation.

    A text that does not fit its schema and can be read as what fits, such as ``"5"``
    for an integer, is converted: the command line can only say texts.

    The cost is linear in parameters and resources.

    :param parameters: ``{"<type>" or "<type>#<id>": {…}}``, or None
    :param resources: those of the operation; None when they are not known yet. Those
        of a protect are the plan's own: what they depend on comes later, so an id
        that is not among them may still be met.
    :returns: the parameters in the same form, converted
    :raises InvalidInput: naming the key, the path in it and the reason
    """
    if not parameters and (parameters is None or isinstance(parameters, Mapping)):
        return {}
    if not isinstance(parameters, Mapping):
        raise exception.InvalidInput(
            reason=f"parameters: they are a {type(parameters).__name__}, not an object"
        )
    covered = _Covered.by(operation, resources)
    shared: dict[str, _Values] = {}
    own: dict[str, dict[str, _Values]] = defaultdict(dict)
    for key, value in parameters.items():
        resource_type, separator, resource_id = _split(key)
        checker = _checker(schemas, operation, resource_type, key)
        if separator and not covered.may_have(resource_type, resource_id):
            raise _invalid(key, "the operation has no such resource")
        if not isinstance(value, Mapping):
            raise _invalid(key, f"it is a {type(value).__name__}, not an object")
        values = _convert(checker, value)
        if separator:
            own[resource_type][resource_id] = values
        else:
            shared[resource_type] = values
    for resource_type, of_ids in own.items():
        checker = _checker(schemas, operation, resource_type, resource_type)
        below = shared.get(resource_type, {})
        for resource_id, values in of_ids.items():
            _check(checker, {**below, **values}, f"{resource_type}#{resource_id}")
    for resource_type, values in shared.items():
        checker = _checker(schemas, operation, resource_type, resource_type)
        complete = covered.someone_else_than(resource_type, own.get(resource_type, {}))
        _check(checker, values, resource_type, complete=complete)
    return {
        **shared,
        **{
            f"{resource_type}#{resource_id}": values
            for resource_type, of_ids in own.items()
            for resource_id, values in of_ids.items()
        },
    }


@dataclasses.dataclass(frozen=True)
class _Covered:
    """Which resources an operation has, as far as that is known.

    :param ids: per type
    :param is_all: there are no others
    """

    ids: Mapping[str, set[str]]
    is_all: bool

    @classmethod
    def by(cls, operation: str, resources: Iterable[Resource] | None) -> "_Covered":
        ids: dict[str, set[str]] = {}
        for resource in resources or ():
            ids.setdefault(resource.type, set()).add(resource.id)
        known = resources is not None and operation != constants.OPERATION_PROTECT
        return cls(ids, is_all=known)

    def may_have(self, resource_type: str, resource_id: str) -> bool:
        return not self.is_all or resource_id in self.ids.get(resource_type, ())

    def someone_else_than(self, resource_type: str, ids: Mapping[str, Any]) -> bool:
        """Whether a resource of the type may see the type's parameters alone."""
        if not self.is_all and not ids:
            return True
        return any(known not in ids for known in self.ids.get(resource_type, ()))


def _split(key: Any) -> tuple[str, str, str]:
    resource_type, separator, resource_id = str(key).partition("#")
    if separator and not resource_id:
        raise _invalid(key, "there is no id after '#'")
    return resource_type, separator, resource_id


def _checker(
    schemas: PluginSchemas, operation: str, resource_type: str, key: Any
) -> Validator:
    checker = schemas.validator(operation, resource_type)
    if checker is not None:
        return checker
    if operation not in KIND_OF_OPERATION:
        raise _invalid(key, f"the operation '{operation}' takes no parameters")
    protected = ", ".join(sorted(schemas.extended_info["options_schema"]))
    raise _invalid(
        key,
        f"the provider protects no resources of type '{resource_type}'; it protects "
        f"{protected}",
    )


def _convert(checker: Validator, values: Mapping[str, Any]) -> _Values:
    """Read texts as what the schema of their property asks for."""
    schema = checker.schema
    properties = schema.get("properties", {}) if isinstance(schema, Mapping) else {}
    converted = {}
    for name, value in values.items():
        described = properties.get(name)
        if isinstance(value, str) and isinstance(described, Mapping):
            property_checker = checker.evolve(schema=described)
            if not property_checker.is_valid(value):
                value = _read(property_checker, described, value)
        converted[name] = value
    return converted


def _read(checker: Validator, schema: Mapping[str, Any], text: str) -> Any:
    types = schema.get("type", ())
    types = (types,) if isinstance(types, str) else types
    # As it is: the check says what is wrong with it.
    unfit: Any = text
    for name in types:
        reader = _READERS.get(name)
        if reader is None:
            continue
        try:
            value = reader(text)
        except ValueError:
            continue
        if checker.is_valid(value):
            return value
        if isinstance(value, int | float) and "string" not in types:
            unfit = value
    return unfit


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError
    return value


_READERS: dict[str, Any] = {
    "boolean": lambda text: strutils.bool_from_string(text, strict=True),
    "integer": int,
    "number": _number,
    "object": jsonutils.loads,
    "array": jsonutils.loads,
}


def _check(
    checker: Validator, values: _Values, key: str, *, complete: bool = True
) -> None:
    """Check what a resource sees.

    :param complete: False when no resource sees just this, so what is required may
        come from its own parameters
    """
    for error in checker.iter_errors(values):
        if not complete and error.validator == "required" and not error.path:
            continue
        raise _invalid(key, *_describe(error))


def _describe(error: ValidationError) -> tuple[str, str]:
    path = ".".join(str(step) for step in error.absolute_path)
    if _SECRET.search(path):
        return f"its value does not fit the schema's '{error.validator}'", path
    return error.message, path


def _invalid(key: Any, reason: str, path: str = "") -> exception.InvalidInput:
    where = f"parameters for '{key}'" + (f", {path}" if path else "")
    return exception.InvalidInput(reason=f"{where}: {reason}")
