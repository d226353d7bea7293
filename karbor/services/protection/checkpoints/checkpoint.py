# SPDX-License-Identifier: Apache-2.0
"""One checkpoint: its state, its graph, and where its resources keep their data."""

import dataclasses
import datetime
import threading
import uuid
from collections.abc import Mapping
from typing import Any

from karbor import exception
from karbor.services.protection.bank import keys
from karbor.services.protection.bank.sections import BankSection
from karbor.services.protection.checkpoints import indices, locking, states
from karbor.services.protection.checkpoints import inventory as inventories
from karbor.services.protection.checkpoints.parts import Parts
from karbor.services.protection.checkpoints.record import CheckpointRecord
from karbor.services.protection.checkpoints.store import INDEX, CheckpointStore
from karbor.services.protection.graph import ResourceGraph

_RESOURCE_GRAPH = "resource-graph"
_RESOURCES_STATUS = "resources-status"
_INVENTORY = "inventory"


class Checkpoint:
    """A checkpoint as it was when it was read last; thread-safe.

    Properties answer from memory, but for those that are said to read the bank.
    :meth:`reload` reads anew. What changes the checkpoint checks first that it still
    is this process's to change, and raises :class:`~karbor.exception.LeaseLost` or
    :class:`~karbor.exception.CheckpointTransitionRefused` when it is not.
    """

    def __init__(self, store: CheckpointStore, record: CheckpointRecord) -> None:
        self._store = store
        self._record = record
        self._section = store.section(record.id, record.project_id)
        self._parts = Parts(self._section, record.id)
        # Its own name for what it writes: no two attempts write one object.
        self._attempt = uuid.uuid4().hex
        self._graph: tuple[str | None, ResourceGraph] | None = None
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        return f"<Checkpoint {self.id} {self.status}>"

    @property
    def id(self) -> str:
        return self._record.id

    @property
    def status(self) -> str:
        return self._record.status

    @property
    def status_reason(self) -> str | None:
        """Why it has this state, for a person to read; None when all is well."""
        return self._record.status_reason

    @property
    def owner_id(self) -> str:
        """Who works on it, or has worked on it last."""
        return self._record.owner_id

    @property
    def provider_id(self) -> str:
        return self._record.provider_id

    @property
    def project_id(self) -> str:
        return self._record.project_id

    @property
    def protection_plan(self) -> dict[str, Any]:
        """``id``, ``name``, ``provider_id`` and ``resources`` of the plan."""
        return dict(self._record.protection_plan)

    @property
    def extra_info(self) -> Any:
        return self._record.extra_info

    @property
    def created_at(self) -> str:
        """The day, ``YYYY-MM-DD`` in UTC."""
        return self._record.created_at

    @property
    def timestamp(self) -> str:
        """The moment, as UTC text that sorts as time does."""
        return self._record.timestamp

    @property
    def copied_from(self) -> str | None:
        """The id of the checkpoint that this one is a copy of."""
        return self._record.copied_from

    @property
    def copied_from_provider(self) -> str | None:
        """The id of the provider in whose bank that one is; None when it is no copy."""
        record = self._record
        if record.copied_from is None:
            return None
        return record.copied_from_provider or record.provider_id

    @property
    def locked_until(self) -> datetime.datetime | None:
        """Until when nobody can delete it; may have passed. Asks the bank of one that
        was locked."""
        return locking.locked_until(self._store, self._record)

    @property
    def checkpoint_section(self) -> BankSection:
        """Everything that it keeps in the bank."""
        return self._section

    @property
    def resource_graph(self) -> ResourceGraph | None:
        """The graph; reads the bank once. None before it was saved.

        Also None when the deletion has already taken it.

        :raises CheckpointUnreadable: when the index names a graph that is not there
        """
        with self._lock:
            name = self._record.resource_graph
            text = self._record.legacy_graph
            if name is None and text is None:
                return None
            if self._graph is None or self._graph[0] != name:
                if name is not None:
                    text = self._get_part(name)
                if text is None:
                    return None
                self._graph = (name, ResourceGraph.from_json(text))
            return self._graph[1]

    @property
    def resources_status(self) -> dict[str, dict[str, Any]]:
        """``{"<type>#<id>": {"status": …, "reason": …}}``; reads the bank."""
        name = self._record.resources_status
        return {} if name is None else dict(self._get_part(name) or {})

    @property
    def inventory(self) -> dict[str, inventories.ResourceInventory] | None:
        """The names of all that the resources keep; reads the bank.

        None before it was available.

        :raises CheckpointUnreadable: when the index names one that cannot be read
        """
        name = self._record.inventory
        value = None if name is None else self._get_part(name)
        return None if value is None else inventories.read(self.id, name, value)

    def get_resource_bank_section(
        self, resource_id: str, is_writable: bool = True
    ) -> BankSection:
        """Where the plugins keep what they save of one resource.

        :raises InvalidParameterValue: when the id cannot be the name of a section
        """
        return self._section.get_sub_section(
            f"{inventories.RESOURCE_DATA}/{keys.validate_part(resource_id)}",
            is_writable,
        )

    def reload(self) -> None:
        """Read the index anew; an answer of before this object's own write is none.

        :raises CheckpointNotFound, CheckpointUnreadable: when it is gone or damaged
        """
        with self._lock:
            present = self._store.read(self.id)
            if present.revision >= self._record.revision:
                self._record = present

    def transition(self, status: str, reason: str | None = None) -> None:
        """Go over to another state, when the table of states has the transition.

        Into ``deleting``, the checkpoint becomes this process's. ``deleted`` is
        :meth:`purge`.

        :param reason: for a person to read; replaces the reason before
        :raises CheckpointTransitionRefused: when the table lacks it, or when the
            checkpoint is no longer as this object believes
        :raises CheckpointLocked: into ``deleting``, when its date has not come
        :raises LeaseLost: when this process may no longer commit
        :raises BankException: when it was to be locked, and cannot be
        """
        if status == states.DELETED:
            self.purge()
            return
        with self._lock:
            kept_until = None
            if status == states.AVAILABLE and states.may_become(self.status, status):
                # Before anything is held back: it may take as long as a look at
                # every chunk does.
                kept_until = self._lock_data()
            self._change(status, reason, kept_until)

    def _change(
        self, status: str, reason: str | None, kept_until: datetime.datetime | None
    ) -> None:
        with self._store.exclusively(self.id):
            if not states.may_become(self.status, status):
                raise exception.CheckpointTransitionRefused(
                    checkpoint_id=self.id, status=self.status, target=status
                )
            if self.status in states.WORKING:
                self._check_owned()
            present = self._store.confirm(self._record)
            if status == states.DELETING:
                locking.refuse_locked(self._store, present)
            owner_id = self._store.owner_id
            if status in states.WORKING and self.status not in states.WORKING:
                # Before the commit, so that no crash leaves it in work unseen.
                self._store.indices.begin_work(present, owner_id, self._store.clock())
            changes: dict[str, Any] = {
                "status": status,
                "status_reason": reason,
                "owner_id": owner_id,
            }
            if status == states.AVAILABLE:
                changes["inventory"] = self._put_inventory(kept_until)
                # That may take long; nothing slow may lie before the write.
                present = self._store.confirm(self._record)
                self._store.check_working(present)
            self._write(present, **changes)
            if status == states.AVAILABLE:
                self._look_again()
                locking.lock_new_index(self._store, self._record, kept_until)
            if status not in states.WORKING:
                self._store.finish_work(self.id, owner_id)

    def lock(self, until: datetime.datetime) -> locking.Locked:
        """Let nobody delete it before a date; a lock is only ever extended.

        Karbor refuses from the moment the date is written. Then the bank locks all
        that the checkpoint keeps, if it can: when that fails or dies midway, locking
        it again, until the same date or a later one, goes on.

        :param until: aware, to come; rounded up to a second
        :returns: what the bank has locked
        :raises CheckpointNotAvailable: unless it is ``available``
        :raises CheckpointLocked: when it is locked for longer already
        :raises InvalidInput: when the date has passed
        :raises BankException: when something could not be locked
        """
        with self._lock:
            with self._store.exclusively(self.id):
                self._record = locking.begin(self._store, self._record, until)
            return locking.lock_available(self._store, self._record, until)

    def reset(self, status: str) -> None:
        """Set the state by an operator's hand.

        :param status: ``error`` or ``available``
        :raises InvalidInput: for another state
        :raises CheckpointNotBeReset: while its owner lives and works on it, when its
            deletion has begun, or when it has no data to be available with
        :raises CheckpointLocked: when it is ``available``, and its date has not come
        """
        if status not in states.RESET_TARGETS:
            raise exception.InvalidInput(
                reason=f"a checkpoint can be reset to "
                f"{' or '.join(sorted(states.RESET_TARGETS))}, not to '{status}'"
            )
        with self._lock, self._store.exclusively(self.id):
            self._store.check_lease()
            self.reload()
            before = self._record
            if before.status in states.WORKING and self._store.is_owner_alive(
                before.owner_id
            ):
                raise self._no_reset(f"it is '{before.status}' and its owner is alive")
            if before.status == states.AVAILABLE:
                locking.refuse_locked(self._store, before)
            if status not in states.RESETS.get(before.status, ()):
                raise self._no_reset(f"'{before.status}' cannot become '{status}'")
            if status == states.AVAILABLE and not before.has_graph:
                raise self._no_reset("it has no resource graph to restore from")
            if status == states.AVAILABLE and self._store.is_abandoned(self.id):
                raise self._no_reset(
                    "it was given up while it was made, so its data may be gone"
                )
            moment = self._store.clock().isoformat(timespec="seconds")
            if before.status in states.INITIAL:
                self._store.mark_abandoned(before, f"Reset by an operator at {moment}.")
            self._write(
                before,
                status=status,
                status_reason=f"Reset from '{before.status}' by an operator at "
                f"{moment}.",
            )
            if before.status in states.WORKING:
                self._store.finish_work(self.id, before.owner_id)

    def save_graph(self, graph: ResourceGraph) -> None:
        """Keep the graph: first itself, then the index's reference to it."""
        name = f"{_RESOURCE_GRAPH}/{self._attempt}"
        with self._lock:
            self._save_part("resource_graph", name, graph.to_json())
            self._graph = (name, graph)

    def save_resources_status(self, statuses: Mapping[str, Mapping[str, Any]]) -> None:
        """Keep each resource's status and reason, in place of those before.

        :param statuses: as :attr:`resources_status`
        """
        name = f"{_RESOURCES_STATUS}/{self._attempt}"
        value = {resource: dict(status) for resource, status in statuses.items()}
        with self._lock:
            self._save_part("resources_status", name, value)

    def purge(self) -> None:
        """Delete everything that the bank keeps of it; it must be ``deleting``.

        Data first, then ``index.json``, then what listings and the sweep know.
        When it fails or dies midway, a second deletion goes on with the rest.

        :raises CheckpointTransitionRefused: in another state
        :raises CheckpointLocked: when its date has not come
        """
        with self._lock:
            if self.status == states.DELETED:
                return
            if self.status != states.DELETING:
                raise exception.CheckpointTransitionRefused(
                    checkpoint_id=self.id, status=self.status, target=states.DELETED
                )
            self._check_owned()
            with self._store.exclusively(self.id):
                locking.refuse_locked(self._store, self._store.confirm(self._record))
            for name in (inventories.RESOURCE_DATA, _RESOURCES_STATUS, _RESOURCE_GRAPH):
                self._section.get_sub_section(name).delete_all()
            with self._store.exclusively(self.id):
                present = self._store.confirm(self._record)
                if present.inventory is not None:
                    # By its name: a listing may not have it yet, and with data that
                    # is not listed either it would look like one that lost its index.
                    indices.delete_if_there(self._section, present.inventory)
                indices.delete_if_there(self._section, INDEX)
                self._store.clear(self.id, self._store.indices.all_keys_of(present))
                self._store.finish_work(self.id, present.owner_id)
            self._record = dataclasses.replace(present, status=states.DELETED)

    def to_dict(self, *, graph: bool = True) -> dict[str, Any]:
        """What RPC and REST show.

        :param graph: with the graph and the resources' statuses, which are read
            from the bank; False for listings, where ``resource_graph`` is None
        """
        record = self._record
        shown = {
            "id": record.id,
            "status": record.status,
            "project_id": record.project_id,
            "protection_plan": self.protection_plan,
            "resource_graph": None,
            "extra_info": record.extra_info,
            "created_at": record.created_at,
        }
        if record.status_reason:
            shown["status_reason"] = record.status_reason
        if record.copied_from:
            shown["copied_from"] = record.copied_from
            shown["copied_from_provider"] = self.copied_from_provider
        locked_until = locking.shown_date(self._store, record)
        if locked_until is not None:
            shown["locked_until"] = locked_until
        if graph:
            shown["resource_graph"] = record.legacy_graph
            if record.resource_graph is not None:
                shown["resource_graph"] = self._get_part(record.resource_graph)
            statuses = self.resources_status
            if statuses:
                shown["resources_status"] = statuses
        return shown

    def _check_owned(self) -> None:
        if self.owner_id != self._store.owner_id:
            raise exception.CheckpointTransitionRefused(
                f"The checkpoint {self.id} is '{self.status}' in the hands of owner "
                f"{self.owner_id}; this service is {self._store.owner_id}."
            )

    def _look_again(self) -> None:
        try:
            self._store.look_again(self._record)
        except exception.CheckpointTransitionRefused:
            self.reload()
            raise

    def _no_reset(self, reason: str) -> exception.CheckpointNotBeReset:
        return exception.CheckpointNotBeReset(
            f"The checkpoint {self.id} can not be reset: {reason}."
        )

    def _write(self, present: CheckpointRecord, **changes: Any) -> None:
        self._record = self._store.write(dataclasses.replace(present, **changes))

    def _save_part(self, field: str, name: str, value: Any) -> None:
        self._check_owned()
        with self._store.exclusively(self.id):
            present = self._store.confirm(self._record)
            self._parts.put(name, value)
            before = getattr(present, field)
            if before == name:
                return
            self._write(present, **{field: name})
        if before is not None:
            indices.delete_if_there(self._section, before)

    def _lock_data(self) -> datetime.datetime | None:
        if self._record.locked_until is None:
            return None
        with self._store.exclusively(self.id):
            self._check_owned()
            present = self._store.confirm(self._record)
        return locking.lock_new(self._store, present)

    def _put_inventory(self, kept_until: datetime.datetime | None) -> str:
        name = f"{_INVENTORY}/{self._attempt}"
        section = self._section.get_sub_section(
            inventories.RESOURCE_DATA, is_writable=False
        )
        self._parts.put(name, inventories.to_json(inventories.take(section)))
        if kept_until is not None:
            locking.lock_part(self._store, self.id, name, kept_until)
        return name

    def _get_part(self, name: str) -> Any:
        is_ending = self.status in (states.DELETING, states.ERROR_DELETING)
        return self._parts.get(name, may_be_gone=is_ending)
