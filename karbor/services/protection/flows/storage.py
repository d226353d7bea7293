# SPDX-License-Identifier: Apache-2.0
"""What an engine keeps of its tasks' states, without taskflow's slow paths.

Only public methods of taskflow's storage and persistence are overridden.
"""

from collections.abc import Iterator
from typing import Any, NoReturn

from taskflow import exceptions, states, storage
from taskflow.persistence import base, models

_FAILURES = frozenset({states.FAILURE, states.REVERT_FAILURE})


class LinearStorage(storage.Storage):
    """Storage in which a task costs the same however many there are.

    taskflow's own looks through all tasks for failures each time it takes one
    back, and saves each task's progress twice though nobody sets any.
    """

    _known_failures: dict[str, Any] | None = None

    def save(self, atom_name: str, result: Any, state: str = states.SUCCESS) -> None:
        super().save(atom_name, result, state)
        if state in _FAILURES:
            self._known_failures = None

    def reset(self, atom_name: str, state: str = states.PENDING) -> None:
        super().reset(atom_name, state)
        self._known_failures = None

    def get_execute_failures(self) -> dict[str, Any]:
        """The failures by task name, looked up again only after a new one."""
        known = self._known_failures
        if known is None:
            known = self._known_failures = super().get_execute_failures()
        return dict(known)

    get_failures = get_execute_failures

    def set_task_progress(
        self, task_name: str, progress: float, details: Any = None
    ) -> None:
        """Keeps nothing: an operation counts its hooks and bytes itself."""


class VolatileBackend(base.Backend):
    """A persistence backend that keeps nothing: the engine's objects are all.

    taskflow's memory backend serializes every change of state into a file system
    in memory. One that really persists can take this one's place.
    """

    def __init__(self) -> None:
        super().__init__({})
        self._connection = _VolatileConnection(self)

    def get_connection(self) -> "_VolatileConnection":
        return self._connection

    def close(self) -> None:
        """Nothing is open."""


class _VolatileConnection(base.Connection):
    def __init__(self, backend: VolatileBackend) -> None:
        self._backend = backend

    @property
    def backend(self) -> VolatileBackend:
        return self._backend

    def close(self) -> None:
        """Nothing is open."""

    def upgrade(self) -> None:
        """There is no schema."""

    def clear_all(self) -> None:
        """There is nothing to clear."""

    def validate(self) -> None:
        """There is no schema."""

    def update_atom_details(self, atom_detail: models.AtomDetail) -> models.AtomDetail:
        return atom_detail

    def update_flow_details(self, flow_detail: models.FlowDetail) -> models.FlowDetail:
        return flow_detail

    def save_logbook(self, book: models.LogBook) -> models.LogBook:
        return book

    def destroy_logbook(self, book_uuid: str) -> NoReturn:
        raise self._nothing(book_uuid)

    def get_logbook(self, book_uuid: str, lazy: bool = False) -> NoReturn:
        raise self._nothing(book_uuid)

    def get_logbooks(self, lazy: bool = False) -> Iterator[models.LogBook]:
        return iter(())

    def get_flows_for_book(self, book_uuid: str) -> NoReturn:
        raise self._nothing(book_uuid)

    def get_flow_details(self, fd_uuid: str, lazy: bool = False) -> NoReturn:
        raise self._nothing(fd_uuid)

    def get_atom_details(self, ad_uuid: str) -> NoReturn:
        raise self._nothing(ad_uuid)

    def get_atoms_for_flow(self, fd_uuid: str) -> NoReturn:
        raise self._nothing(fd_uuid)

    @staticmethod
    def _nothing(uuid: str) -> exceptions.NotFound:
        return exceptions.NotFound(f"No {uuid}: this backend keeps nothing")
