# SPDX-License-Identifier: Apache-2.0
"""Records of running operations, as hooks read and write them."""

import datetime
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol, Self

from oslo_log import log as logging
from oslo_utils import strutils, timeutils

from karbor import exception
from karbor.context import RequestContext, get_admin_context

LOG = logging.getLogger(__name__)

#: Seconds between two writes of a record that changes all the time.
WRITE_INTERVAL = 1.0


class Repository(Protocol):
    """What a record needs of :class:`karbor.db.repository.Repository`."""

    def get(self, context: RequestContext, record_id: str, /) -> dict[str, Any]: ...

    def update(
        self, context: RequestContext, record_id: str, values: Mapping[str, Any], /
    ) -> dict[str, Any]: ...


class LiveRecord:
    """One row of the database, held while an operation runs.

    Its fields read as attributes. Changes are kept in memory at once and written by
    :meth:`save`, at most one write a second however often it is called, and by
    :meth:`flush`. Any thread may call any method.

    :param repository: where the row is; None for a record that is not kept
    :param row: its fields
    :param clock: seconds, monotonic
    """

    def __init__(
        self,
        repository: Repository | None,
        row: Mapping[str, Any],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._repository = repository
        self._row = dict(row)
        self._changed: set[str] = set()
        self._lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._clock = clock
        self._next_write = clock()

    @classmethod
    def load(cls, repository: Repository, record_id: str) -> Self:
        """:raises NotFound: the repository's own, when there is no such row"""
        return cls(repository, repository.get(get_admin_context(), record_id))

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_"):
            try:
                return self._row[name]
            except KeyError:
                pass
        raise AttributeError(f"{type(self).__name__} has no field '{name}'")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._row.get('id')}>"

    @property
    def is_written(self) -> bool:
        """Whether the database knows all that was changed; waits for a write."""
        with self._write_lock:
            return self._repository is None or not self._changed

    def change(self, **fields: Any) -> None:
        """Set fields; :meth:`save` or :meth:`flush` writes them."""
        with self._lock:
            self._row.update(fields)
            self._changed.update(fields)

    def save(self) -> None:
        """Write what changed, unless that was done within the last second.

        A write that fails is logged and left to the next one: a hook must not fail
        because a status could not be noted. When the row is gone there is no next one.
        """
        if self._clock() < self._next_write:
            return
        try:
            self.flush()
        except exception.NotFound as error:
            LOG.warning("%r is no longer kept: %s", self, error)
            self._repository = None
        except Exception:
            LOG.exception("Writing %r failed; it is tried again", self)

    def flush(self) -> None:
        """Write what changed, now.

        :raises Exception: what the repository raises; the changes are kept
        """
        with self._write_lock:
            with self._lock:
                changed, self._changed = self._changed, set()
                values = {name: self._copy(self._row[name]) for name in changed}
            self._next_write = self._clock() + WRITE_INTERVAL
            if not values or self._repository is None:
                return
            try:
                self._repository.update(get_admin_context(), self._row["id"], values)
            except Exception:
                with self._lock:
                    self._changed |= changed
                raise

    @staticmethod
    def _copy(value: Any) -> Any:
        return dict(value) if isinstance(value, dict) else value


class _StatusRecord(LiveRecord):
    """A record with a status and a reason for each resource."""

    def __init__(
        self, repository: Repository | None, row: Mapping[str, Any], **kwargs: Any
    ) -> None:
        super().__init__(repository, row, **kwargs)
        for field in ("resources_status", "resources_reason"):
            self._row[field] = dict(self._row.get(field) or {})

    def update_resource_status(
        self, resource_type: str, resource_id: str, status: str, reason: str = ""
    ) -> None:
        """Note how a resource fares; :meth:`save` writes it.

        :param reason: for people; passwords in it are masked
        """
        key = f"{resource_type}#{resource_id}"
        with self._lock:
            self._row["resources_status"][key] = status
            self._row["resources_reason"][key] = strutils.mask_password(reason or "")
            self._changed.update(("resources_status", "resources_reason"))

    def resource_status(self, resource_type: str, resource_id: str) -> str | None:
        """What was noted of a resource; None when nothing was."""
        status: dict[str, str] = self._row["resources_status"]
        return status.get(f"{resource_type}#{resource_id}")

    def resource_reason(self, resource_type: str, resource_id: str) -> str:
        """The reason that was noted of a resource; empty when none was."""
        reasons: dict[str, str] = self._row["resources_reason"]
        return reasons.get(f"{resource_type}#{resource_id}") or ""


class RestoreRecord(_StatusRecord):
    """The ``restore`` that hooks of a restore get."""


class VerificationRecord(_StatusRecord):
    """The ``verify`` that hooks of a verification get."""


class OperationLogRecord(LiveRecord):
    """The ``operation_log`` that hooks get."""

    def __init__(
        self, repository: Repository | None, row: Mapping[str, Any], **kwargs: Any
    ) -> None:
        super().__init__(repository, row, **kwargs)
        self._row["extra_info"] = dict(self._row.get("extra_info") or {})

    def note(self, **extra: Any) -> None:
        """Set keys of ``extra_info``."""
        with self._lock:
            self._row["extra_info"].update(extra)
            self._changed.add("extra_info")

    def end(self, status: str, error_info: str | None = None) -> None:
        """Set the last status, the time, and why it failed.

        :param error_info: for people; passwords in it are masked
        """
        self.change(
            status=status,
            error_info=error_info and strutils.mask_password(error_info),
            ended_at=timeutils.utcnow().replace(tzinfo=datetime.UTC),
        )
