# SPDX-License-Identifier: Apache-2.0
"""One operation while it runs: what its tasks reach, and how it is stopped."""

import dataclasses
import functools
import threading
from collections.abc import Iterable
from concurrent import futures
from typing import TYPE_CHECKING, Any

from oslo_log import log as logging

from karbor import exception
from karbor.common import constants
from karbor.context import RequestContext
from karbor.resource import Resource
from karbor.services.protection.clients.delegation import TRUST_ID, Delegation
from karbor.services.protection.clients.renewal import renew
from karbor.services.protection.clients.restore_target import target_context
from karbor.services.protection.flows.environment import Environment
from karbor.services.protection.flows.inputs import OperationInputs, OperationSecrets
from karbor.services.protection.progress import OperationProgress
from karbor.services.protection.records import (
    LiveRecord,
    OperationLogRecord,
    RestoreRecord,
    VerificationRecord,
)
from karbor.services.protection.waiting.until import Until

if TYPE_CHECKING:
    from karbor.services.protection.checkpoint import Checkpoint
    from karbor.services.protection.flows.work import ResourceWork
    from karbor.services.protection.provider import Provider

LOG = logging.getLogger(__name__)

_NEW_RESOURCES = "new_resources"


class OperationStopped(exception.FlowError):
    """The operation was told to stop; what it had begun is taken back."""


class LiveOperation:
    """An operation and everything living that its tasks need.

    Tasks hold this object and take no arguments, so that neither a token nor
    anything else that lives gets into a persisted flow. Parts that come from a bank
    or the database are loaded when they are first used; that is in the operation's
    own thread, which also calls everything else here but what says otherwise.

    :param inputs: what to do
    :param house: the service around it
    :param secrets: None when a flow is rebuilt where nobody has them; hooks then get
        the context without its token
    """

    def __init__(
        self,
        inputs: OperationInputs,
        house: Environment,
        secrets: OperationSecrets | None = None,
    ) -> None:
        self.inputs = inputs
        self.house = house
        self.secrets = secrets or OperationSecrets(
            RequestContext.from_dict(inputs.context, overwrite=False)
        )
        #: Who lets the operation act after the caller's token has expired.
        self.delegation: Delegation | None = None
        self.progress = OperationProgress()
        self.works: list[ResourceWork] = []
        self.is_open = False
        self.is_ended = False
        self._lock = threading.Lock()
        #: What hooks wait for.
        self._waits: set[futures.Future] = set()
        self._stop_reason: str | None = None
        self._is_stop_known = False
        self._failures: list[str] = []

    def open(self) -> None:
        """Load what the operation is about, and enter the cloud to restore into.

        :raises NotFound: when a record, the provider or a checkpoint is gone
        :raises AuthorizationFailure: when the other cloud refuses
        """
        if self.delegation is not None:
            delegated = self.delegation.context()
            self.secrets = dataclasses.replace(self.secrets, context=delegated)
        _ = self.log, self.record, self.new_resources
        self.is_open = True
        _ = self.checkpoint, self.target
        if self.inputs.restore_target is not None:
            entered = target_context(
                self.inputs.restore_target,
                self.secrets.restore_auth,
                self.context,
                self.house.conf,
            )
            self.secrets = dataclasses.replace(self.secrets, target=entered)

    @property
    def operation(self) -> str:
        """Which of the operation types this is."""
        return self.inputs.operation

    @property
    def context(self) -> RequestContext:
        """Who asked, with the token if there is one."""
        return self.secrets.context

    @property
    def hook_context(self) -> RequestContext:
        """What hooks get as ``context``: of the cloud that they work in.

        Its token is valid for some time yet, where it can be renewed; from any thread.
        """
        context = self.secrets.target or self.secrets.context
        renew(context)
        return context

    @functools.cached_property
    def provider(self) -> "Provider":
        """:raises ProviderNotFound: when it is not loaded in this process"""
        return self.house.provider(self.inputs.provider_id)

    @functools.cached_property
    def target_provider(self) -> "Provider":
        """In whose bank the operation changes a checkpoint, or only reads one.

        :raises ProviderNotFound: when it is not loaded in this process
        """
        target_id = self.inputs.target_provider_id
        return self.provider if target_id is None else self.house.provider(target_id)

    def is_of(self, provider: "Provider") -> bool:
        """Whether this works, or will work, with the provider; from any thread."""
        source_id = self.inputs.provider_id
        uses = {
            "provider": source_id,
            "target_provider": self.inputs.target_provider_id or source_id,
        }
        return any(
            provider_id == provider.id and self.__dict__.get(name, provider) is provider
            for name, provider_id in uses.items()
        )

    @functools.cached_property
    def checkpoint(self) -> "Checkpoint":
        """What hooks get as ``checkpoint``: of a copy, the source.

        :raises CheckpointNotFound: when the bank has none of that id
        """
        return self.provider.checkpoints.get(self.inputs.checkpoint_id)

    @functools.cached_property
    def target(self) -> "Checkpoint":
        """The checkpoint whose state the operation changes."""
        if self.inputs.copy_checkpoint_id is None:
            return self.checkpoint
        checkpoints = self.target_provider.checkpoints
        return checkpoints.get(self.inputs.copy_checkpoint_id)

    @functools.cached_property
    def log(self) -> OperationLogRecord:
        """The operation log; one that is kept nowhere when there is none."""
        if self.inputs.operation_log_id is None:
            return OperationLogRecord(None, {"id": None})
        repository = self.house.database.operation_logs
        return OperationLogRecord.load(repository, self.inputs.operation_log_id)

    @functools.cached_property
    def record(self) -> RestoreRecord | VerificationRecord | None:
        """The restore or verification; None for the other operations."""
        record_id = self.inputs.record_id
        if record_id is None:
            return None
        if self.operation == constants.OPERATION_RESTORE:
            return RestoreRecord.load(self.house.database.restores, record_id)
        return VerificationRecord.load(self.house.database.verifications, record_id)

    @functools.cached_property
    def new_resources(self) -> dict[str, str]:
        """Original id to the id of what replaced it; kept in the operation log."""
        return dict(self.log.extra_info.get(_NEW_RESOURCES) or {})

    def note_trust(self, trust_id: str) -> None:
        """Keep the id of the trust, before the operation begins; from any thread.

        Whoever finds the operation without a living owner deletes the trust.

        :raises Exception: what the database raises
        """
        if self.inputs.operation_log_id is not None:
            log = OperationLogRecord.load(
                self.house.database.operation_logs, self.inputs.operation_log_id
            )
            log.note(**{TRUST_ID: trust_id})
            log.flush()

    def parameters_of(self, resource: Resource) -> dict[str, Any]:
        """The options for a resource: of its type, overlaid by its own."""
        parameters = self.inputs.parameters
        return {
            **(parameters.get(resource.type) or {}),
            **(parameters.get(f"{resource.type}#{resource.id}") or {}),
        }

    def hook_arguments(self) -> dict[str, Any]:
        """What hooks get by keyword in this operation, but for the progress."""
        arguments: dict[str, Any] = {"operation_log": self.log}
        if self.operation == constants.OPERATION_RESTORE:
            arguments.update(restore=self.record, new_resources=self.new_resources)
        elif self.operation == constants.OPERATION_VERIFY:
            arguments.update(verify=self.record, new_resources=self.new_resources)
        elif self.operation == constants.OPERATION_COPY:
            arguments.update(checkpoint_copy=self.target)
        return arguments

    def stop(self, reason: str) -> None:
        """Start no further hook, and take back what was begun; from any thread.

        Hooks that run are not interrupted; those that wait end where they wait.

        :param reason: for people
        """
        with self._lock:
            if self._stop_reason is None:
                self._stop_reason = reason
            waits = list(self._waits)
        for wait in waits:
            wait.cancel()

    def wait(self, until: Until) -> futures.Future:
        """Begin a wait of a hook, which ends when the operation stops; from any thread.

        :returns: see :meth:`Watcher.watch`
        """
        future = self.house.watcher.watch(until, self)
        future.add_done_callback(self._waits.discard)
        with self._lock:
            if self._stop_reason is None:
                if not future.done():
                    self._waits.add(future)
                return future
        future.cancel()
        return future

    def may_start(self) -> bool:
        """Whether a further hook may start now; from any thread."""
        if self._stop_reason is None and not self.has_lease():
            self.stop(
                f"the lease of owner {self.target.owner_id} on the bank is no longer "
                "valid, so another service may take the operation over"
            )
        return self._stop_reason is None

    def check(self) -> None:
        """:raises OperationStopped: when no further work may start"""
        if not self.may_start():
            raise OperationStopped(flow=str(self.inputs), error=self._stop_reason)

    def note_skipped(self) -> None:
        """A hook was not started; from any thread.

        :raises OperationStopped: the first time, unless a failed hook has told the
            engine already. The other hooks that wait pass without a word: each
            failure costs the engine a look at every task.
        """
        with self._lock:
            is_known, self._is_stop_known = self._is_stop_known, True
        if not is_known:
            raise OperationStopped(flow=str(self.inputs), error=self._stop_reason)

    def note_failure(self, reason: str) -> None:
        """A hook failed, so none may start any more; from any thread.

        :param reason: scrubbed, naming the resource and the hook
        """
        self.stop("a hook failed")
        with self._lock:
            self._is_stop_known = True
            self._failures.append(reason)

    def reason(self, error: BaseException | None = None) -> str:
        """Why the operation failed, for people.

        :param error: what ended it, when no hook did
        """
        if self._failures:
            more = len(self._failures) - 1
            suffix = f" ({more} more failed, see each resource)" if more else ""
            return self._failures[0] + suffix
        if self._stop_reason is not None:
            return f"The operation was stopped: {self._stop_reason}"
        return self.scrub(error) if error is not None else "unknown"

    def scrub(self, error: BaseException | str) -> str:
        """An error's text without secrets; from any thread."""
        if isinstance(error, str):
            return self.secrets.scrub(error)
        if isinstance(error, exception.FlowError) and "error" in error.kwargs:
            # Its text begins with the operation, which every reader knows.
            return self.secrets.scrub(str(error.kwargs["error"]))
        if isinstance(error, exception.KarborException):
            return self.secrets.scrub(str(error))
        return self.secrets.scrub(f"{type(error).__name__}: {error}")

    def report(self) -> None:
        """Bring the records up to date, at most once a second; from any thread."""
        self._note_progress()
        self.log.save()
        if self.record is not None:
            self.record.save()

    def write_records(self) -> None:
        """Write the records now.

        :raises Exception: what the database raises
        """
        self._note_progress()
        self.log.flush()
        if self.record is not None:
            self.record.flush()

    def unwritten_records(self) -> list[LiveRecord]:
        """The records that were loaded and could not be written at the end."""
        loaded = (self.__dict__.get("log"), self.__dict__.get("record"))
        return [record for record in loaded if record and not record.is_written]

    def _note_progress(self) -> None:
        self.log.note(progress=self.progress.snapshot())
        if self.new_resources or _NEW_RESOURCES in self.log.extra_info:
            self.log.note(**{_NEW_RESOURCES: dict(self.new_resources)})

    def has_lease(self) -> bool:
        """Whether this process may still write to the bank; from any thread."""
        lease = self.target_provider.lease
        return lease is None or lease.is_valid()

    def begun(self) -> Iterable["ResourceWork"]:
        """The resources any of whose hooks had begun."""
        return (work for work in self.works if work.is_begun)
