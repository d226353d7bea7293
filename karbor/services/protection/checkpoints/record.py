# SPDX-License-Identifier: Apache-2.0
"""What a checkpoint's ``index.json`` says."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from karbor import exception
from karbor.services.protection.bank import sealing
from karbor.services.protection.checkpoints import legacy
from karbor.services.protection.checkpoints.timestamps import (
    parse_seconds,
    parse_timestamp,
)

VERSION = "2.0"
_STRINGS = (
    "id",
    "status",
    "owner_id",
    "provider_id",
    "project_id",
    "created_at",
    "timestamp",
)
_OPTIONAL_STRINGS = (
    "status_reason",
    "copied_from",
    "copied_from_provider",
    "resource_graph",
    "resources_status",
    "inventory",
    "locked_until",
)


@dataclasses.dataclass(frozen=True, slots=True)
class CheckpointRecord:
    """The commit point of a checkpoint: what readers believe.

    :param protection_plan: ``id``, ``name``, ``provider_id`` and ``resources`` of
        the plan as it was when the checkpoint was made
    :param extra_info: whatever the caller gave; the Karbor API gives a JSON string
    :param created_at: the day, ``YYYY-MM-DD`` in UTC
    :param timestamp: the moment, as :func:`format_timestamp` writes it
    :param copied_from: the id of the checkpoint that this one is a copy of
    :param copied_from_provider: the id of the provider in whose bank that one is; None
        for this one's
    :param resource_graph: the name of the object that holds the graph, None before
        the graph is saved
    :param resources_status: the name of the object that holds status and reason of
        each resource
    :param inventory: the name of the object that holds the names of all that the
        resources keep, None before the checkpoint is ``available``
    :param locked_until: before when nobody may delete it once it is ``available``, as
        :func:`format_seconds` writes it; the bank may have a later date (see
        :mod:`.locking`). None: it is not locked
    :param revision: how often the index was written; tells an old answer of the bank
        from the present one
    :param legacy: of a checkpoint of Karbor 1.x, what its index had that this one
        keeps elsewhere: ``timestamp`` as it is in its old keys, and
        ``resource_graph``, the graph itself
    """

    id: str
    status: str
    owner_id: str
    provider_id: str
    project_id: str
    protection_plan: Mapping[str, Any]
    created_at: str
    timestamp: str
    extra_info: Any = None
    status_reason: str | None = None
    copied_from: str | None = None
    copied_from_provider: str | None = None
    resource_graph: str | None = None
    resources_status: str | None = None
    inventory: str | None = None
    locked_until: str | None = None
    revision: int = 0
    legacy: Mapping[str, Any] | None = None

    @property
    def plan_id(self) -> str:
        """The id of the plan that was protected."""
        return str(self.protection_plan["id"])

    @property
    def has_graph(self) -> bool:
        """Whether the graph was saved."""
        return self.resource_graph is not None or self.legacy_graph is not None

    @property
    def legacy_graph(self) -> str | None:
        """The graph's JSON, of a checkpoint of Karbor 1.x."""
        return None if self.legacy is None else self.legacy.get("resource_graph")

    def to_value(self) -> dict[str, Any]:
        """The value of ``index.json``."""
        value: dict[str, Any] = {"version": VERSION}
        for field in dataclasses.fields(self):
            value[field.name] = getattr(self, field.name)
        value["protection_plan"] = dict(self.protection_plan)
        if self.legacy is None:
            del value["legacy"]
        return sealing.seal(value)

    @classmethod
    def from_value(cls, checkpoint_id: str, value: Any) -> "CheckpointRecord":
        """Read the value of ``index.json``; keys that nobody knows are passed over.

        :raises CheckpointUnreadable: saying what is wrong with it
        """

        def refuse(reason: str) -> exception.CheckpointUnreadable:
            return exception.CheckpointUnreadable(
                checkpoint_id=checkpoint_id, reason=reason
            )

        if not isinstance(value, Mapping):
            raise refuse(f"it holds a {type(value).__name__}, not a JSON object")
        version = value.get("version")
        try:
            if version == VERSION:
                value = sealing.unseal(value)
            elif version == legacy.VERSION:
                value = legacy.convert(value)
            else:
                raise refuse(
                    f"its version is {version!r}, and this release reads {VERSION!r} "
                    f"and {legacy.VERSION!r}"
                )
        except ValueError as error:
            raise refuse(str(error)) from error
        for name in _STRINGS:
            if not isinstance(value.get(name), str) or not value[name]:
                raise refuse(f"'{name}' is missing or no text")
        for name in _OPTIONAL_STRINGS:
            if not isinstance(value.get(name), str | None):
                raise refuse(f"'{name}' is no text")
        if type(value.get("revision", 0)) is not int:
            raise refuse("'revision' is no number")
        if value["id"] != checkpoint_id:
            raise refuse(f"it is the index of checkpoint {value['id']}")
        if not isinstance(value.get("legacy"), Mapping | None):
            raise refuse("'legacy' is no JSON object")
        plan = value.get("protection_plan")
        if not isinstance(plan, Mapping) or not plan.get("id"):
            raise refuse("'protection_plan' is missing or has no id")
        try:
            parse_timestamp(value["timestamp"])
        except ValueError:
            raise refuse(f"'timestamp' is {value['timestamp']!r}") from None
        try:
            if value.get("locked_until") is not None:
                parse_seconds(value["locked_until"])
        except ValueError:
            raise refuse(f"'locked_until' is {value['locked_until']!r}") from None
        known = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: item for name, item in value.items() if name in known})
