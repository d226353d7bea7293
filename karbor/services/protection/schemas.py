# SPDX-License-Identifier: Apache-2.0
"""The JSON schemas of a provider's plugins, checked and compiled once."""

from collections.abc import Mapping
from typing import Any

import jsonschema
import referencing
from jsonschema import validators
from jsonschema.protocols import Validator
from oslo_log import log as logging

from karbor.common import constants
from karbor.services.protection.plugin_loading import PluginNotUsable, describe

LOG = logging.getLogger(__name__)

#: The keys of a provider's ``extended_info_schema``; plugins have ``get_<key>``.
KINDS = ("options_schema", "restore_schema", "verify_schema", "saved_info_schema")

#: Which schema the parameters of an operation are checked against.
KIND_OF_OPERATION = {
    constants.OPERATION_PROTECT: "options_schema",
    # A copy gets the parameters of the plan.
    constants.OPERATION_COPY: "options_schema",
    constants.OPERATION_RESTORE: "restore_schema",
    constants.OPERATION_VERIFY: "verify_schema",
}

#: Plugins of Karbor 1.x wrote theirs for draft 4, without saying so.
_DRAFTS = (jsonschema.Draft202012Validator, jsonschema.Draft4Validator)


class PluginSchemas:
    """The schemas of a provider, per kind and resource type.

    Filled while the provider loads; read from any thread afterwards.
    """

    def __init__(self) -> None:
        self._schemas: dict[str, dict[str, dict[str, Any]]] = {k: {} for k in KINDS}
        self._validators: dict[tuple[str, str], Validator] = {}

    @property
    def extended_info(self) -> dict[str, dict[str, dict[str, Any]]]:
        """``{kind: {resource type: schema}}``, as providers are shown."""
        return self._schemas

    def add(self, plugin: Any, resource_type: str) -> None:
        """Take the schemas of one type from the plugin that protects it.

        A plugin that lacks a schema, as 1.x ones lack the one for verifying, allows
        everything.

        :raises PluginNotUsable: when a schema is none
        """
        for kind in KINDS:
            schema = _ask(plugin, kind, resource_type)
            self._schemas[kind][resource_type] = schema
            try:
                self._validators[kind, resource_type] = _compile(schema)
            except PluginNotUsable as error:
                reason = f"its {kind} of {resource_type} is no JSON schema: {error}"
                if kind != "saved_info_schema":
                    raise PluginNotUsable(reason) from error
                # Shown to people, and nothing is checked against it.
                LOG.warning("Plugin %s: %s", type(plugin).__name__, reason)

    def validator(self, operation: str, resource_type: str) -> Validator | None:
        """What checks an operation's parameters for a type.

        None when the operation takes no parameters, or when no plugin of the
        provider protects the type.
        """
        kind = KIND_OF_OPERATION.get(operation)
        return None if kind is None else self._validators.get((kind, resource_type))


def _ask(plugin: Any, kind: str, resource_type: str) -> dict[str, Any]:
    method = getattr(plugin, f"get_{kind}", None)
    if method is None:
        return {}
    try:
        schema = method(resource_type)
    except NotImplementedError:
        return {}
    except Exception as error:
        raise PluginNotUsable(
            f"its get_{kind}({resource_type!r}) fails: {describe(error)}"
        ) from error
    if not isinstance(schema, Mapping):
        raise PluginNotUsable(
            f"its get_{kind}({resource_type!r}) returns {type(schema).__name__}, not "
            "a dict"
        )
    return dict(schema)


def _compile(schema: dict[str, Any]) -> Validator:
    drafts: tuple[Any, ...] = _DRAFTS
    if "$schema" in schema:
        drafts = (validators.validator_for(schema, default=_DRAFTS[0]),)
    first: Exception | None = None
    for draft in drafts:
        try:
            draft.check_schema(schema)
            # An empty registry: no reference is ever fetched from the network.
            validator = draft(
                schema,
                registry=referencing.Registry(),
                format_checker=draft.FORMAT_CHECKER,
            )
            list(validator.iter_errors({}))
        except jsonschema.SchemaError as error:
            first = first or error
        except Exception as error:  # noqa: BLE001 - jsonschema wraps what it met
            first = first or error
        else:
            return validator
    assert first is not None
    message = first.message if isinstance(first, jsonschema.SchemaError) else first
    raise PluginNotUsable(str(message)) from first
