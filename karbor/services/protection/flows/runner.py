# SPDX-License-Identifier: Apache-2.0
"""Runs operations: a few at a time, their hooks in one shared pool of threads."""

import contextlib
import functools
import sys
import threading
import time
import types
from concurrent import futures
from typing import TYPE_CHECKING

from oslo_config import cfg
from oslo_log import log as logging
from oslo_utils import uuidutils
from taskflow import engines
from taskflow.exceptions import WrappedFailure
from taskflow.persistence import models

from karbor import exception
from karbor.common import constants
from karbor.services.protection.clients.delegation import Delegations
from karbor.services.protection.flows import (
    copy,
    delete,
    ending,
    protect,
    restore,
    verify,
)
from karbor.services.protection.flows.environment import Environment
from karbor.services.protection.flows.inputs import OperationInputs, OperationSecrets
from karbor.services.protection.flows.lanes import Lane
from karbor.services.protection.flows.live import LiveOperation
from karbor.services.protection.flows.pattern import BulkFlow
from karbor.services.protection.flows.storage import VolatileBackend

if TYPE_CHECKING:
    from karbor.services.protection.provider import Provider
    from karbor.services.protection.records import LiveRecord

LOG = logging.getLogger(__name__)

ENGINE = "karbor-linear"

OPTS = [
    cfg.IntOpt(
        "max_parallel_hooks",
        default=16,
        min=1,
        help="How many hooks of protection plugins run at a time in this service, "
        "over all operations; one thread each. Raise it when operations wait for "
        "slow services of the cloud while this machine is idle, lower it when their "
        "APIs or the bank cannot stand the load.",
    ),
    cfg.IntOpt(
        "max_waiting_hooks",
        default=64,
        min=1,
        help="How many hooks of one operation wait for the cloud at a time, before no "
        "more of it begin: snapshots, backups and images that are being made. They "
        "hold no thread. Raise it when the cloud can make more at a time, lower it "
        "when its services or quotas cannot stand so many.",
    ),
    cfg.IntOpt(
        "max_concurrent_operations",
        default=8,
        min=0,
        help="How many operations (protect, restore, verify, copy, delete) run at a "
        "time in this service; further ones wait their turn. 0 sets no limit, as in "
        "Karbor 1.x. Each takes one thread "
        "and, for a checkpoint of 10,000 resources, some 250 MiB of memory.",
    ),
]

#: Each has ``build``, ``succeed`` and ``fail``.
_OPERATIONS: dict[str, types.ModuleType] = {
    constants.OPERATION_PROTECT: protect,
    constants.OPERATION_RESTORE: restore,
    constants.OPERATION_VERIFY: verify,
    constants.OPERATION_COPY: copy,
    constants.OPERATION_DELETE: delete,
}

#: Seconds between two reports of how far running operations are.
_REPORT_INTERVAL = 1.0

#: Seconds that cancelled operations get to take back what they had begun.
REVERT_TIME = 30.0


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register how much runs at a time."""
    conf.register_opts(OPTS)


class OperationRunner:
    """Takes operations, and runs them in the order in which they came.

    Every method may be called from any thread.

    :param conf: ``max_parallel_hooks`` and ``max_concurrent_operations``
    :param house: what the operations reach
    """

    def __init__(self, conf: cfg.ConfigOpts, house: Environment) -> None:
        register_opts(conf)
        self._house = house
        self.delegations = Delegations(house.conf)
        self._width: int = conf.max_parallel_hooks
        self._depth: int = conf.max_waiting_hooks
        self._hooks = futures.ThreadPoolExecutor(
            max_workers=self._width, thread_name_prefix="hook"
        )
        self._operations = futures.ThreadPoolExecutor(
            max_workers=conf.max_concurrent_operations or sys.maxsize,
            thread_name_prefix="operation",
        )
        self._lock = threading.Lock()
        self._known: dict[LiveOperation, futures.Future] = {}
        #: Of operations that ended while the database was away.
        self._unwritten: list[LiveRecord] = []
        self._is_draining = False
        self._is_over = threading.Event()
        self._reporter: threading.Thread | None = None

    def submit(
        self, inputs: OperationInputs, secrets: OperationSecrets
    ) -> futures.Future:
        """Queue an operation; returns before anything of it is read or done.

        :returns: whether the operation succeeded, as a future; it never raises for
            what goes wrong in the operation, which its records tell
        :raises FlowError: when the service is stopping
        """
        live = LiveOperation(inputs, self._house, secrets)
        # It keeps the provider of now, whose owner its checkpoint has, also when the
        # providers are loaded anew while it waits. One that is gone fails it later.
        for name in ("provider", "target_provider"):
            with contextlib.suppress(exception.ProviderNotFound):
                getattr(live, name)
        with self._lock:
            if self._is_draining:
                raise exception.FlowError(
                    flow=str(inputs),
                    error="this service is stopping; ask again, another one answers",
                )
            if inputs.restore_target is None:
                live.delegation = self.delegations.begin(
                    str(inputs), secrets.context, live.note_trust
                )
            future = self._operations.submit(self._run, live)
            self._known[live] = future
            if self._reporter is None:
                self._reporter = threading.Thread(
                    target=self._report, name="operation-progress", daemon=True
                )
                self._reporter.start()
        return future

    def running(self) -> list[str]:
        """The operations that run or wait for their turn, for people."""
        with self._lock:
            return [
                str(live.inputs) if live.is_open else f"{live.inputs} (waiting)"
                for live in self._known
            ]

    def is_working_on(self, thing_id: str) -> bool:
        """Whether an operation runs, or waits, that will end this thing.

        :param thing_id: of a checkpoint, a restore, a verification or an operation
            log
        """
        with self._lock:
            return any(thing_id in live.inputs.ends for live in self._known) or any(
                thing_id == record.id for record in self._unwritten
            )

    def is_using(self, provider: "Provider") -> bool:
        """Whether an operation runs, or waits, that works with this provider."""
        with self._lock:
            return any(live.is_of(provider) for live in self._known)

    def drain(self, timeout: float, revert_time: float = REVERT_TIME) -> bool:
        """Start nothing more, and wait for what runs.

        Operations that wait for their turn are left as they are: their checkpoints
        stay in their working state, and whoever sweeps for zombies ends them once
        this owner's lease is gone. Operations that still run after the timeout are
        cancelled: no further hook of theirs starts, and what they had begun is taken
        back. One whose hook does not return is left too; its thread keeps the
        interpreter from exiting, so the process must then end with ``os._exit``.

        :param timeout: seconds that running operations get to end
        :param revert_time: seconds that cancelled ones get to take back
        :returns: whether nothing was left
        """
        with self._lock:
            self._is_draining = True
            known = dict(self._known)
        running = {}
        for live, future in known.items():
            if future.cancel():
                LOG.warning("%s never began and is left to others", live.inputs)
            else:
                running[live] = future
        for live in self._unfinished(running, timeout):
            live.stop(f"the service was stopped and had waited {timeout:g} seconds")
        left = self._unfinished(running, revert_time)
        for live in left:
            LOG.warning("%s still runs and is left to others", live.inputs)
        self._is_over.set()
        self._operations.shutdown(wait=False)
        self.delegations.close()
        if not left:
            self._hooks.shutdown(wait=False)
        return len(left) == 0 and len(running) == len(known)

    @staticmethod
    def _unfinished(
        running: dict[LiveOperation, futures.Future], timeout: float
    ) -> list[LiveOperation]:
        futures.wait(running.values(), timeout)
        return [live for live, future in running.items() if not future.done()]

    def _report(self) -> None:
        while not self._is_over.wait(_REPORT_INTERVAL):
            with self._lock:
                running = [live for live in self._known if live.is_open]
            for live in running:
                if not live.is_ended:
                    # Hooks may wait for hours, and look at it only when they go on.
                    ending.attempt(live, "looking at its lease", live.may_start)
                    ending.attempt(live, "reporting progress", live.report)
            self._write_late()

    def _write_late(self) -> None:
        """Try again to write how operations have ended."""
        with self._lock:
            late = list(self._unwritten)
        for record in late:
            record.save()
            if record.is_written:
                with self._lock:
                    self._unwritten.remove(record)

    def _run(self, live: LiveOperation) -> bool:
        started = time.monotonic()
        live.context.update_store()
        LOG.info(
            "Begin %s: provider %s, project %s, plan %s, record %s, operation log %s",
            live.inputs,
            live.inputs.provider_id,
            live.context.project_id,
            (live.inputs.plan or {}).get("id"),
            live.inputs.record_id,
            live.inputs.operation_log_id,
        )
        try:
            error = self._work(live)
        finally:
            if live.delegation is not None:
                live.delegation.end()
            unwritten = live.unwritten_records()
            with self._lock:
                self._known.pop(live, None)
                self._unwritten.extend(unwritten)
        LOG.info(
            "End %s: %s after %.1f seconds; %d resources, %s%s",
            live.inputs,
            "success" if error is None else "failure",
            time.monotonic() - started,
            len(live.works),
            ", ".join(
                f"{name} {count}" for name, count in live.progress.snapshot().items()
            ),
            "" if error is None else f"; {live.reason(error)}",
        )
        return error is None

    def _work(self, live: LiveOperation) -> BaseException | None:
        """Run an operation to its end; gives what it failed with, if it did."""
        steps = _OPERATIONS[live.operation]
        try:
            live.open()
            live.check()
            self._run_flow(steps.build(live.inputs, self._house, live))
        except Exception as error:  # noqa: BLE001 - it must end, whatever happens
            if not isinstance(error, exception.KarborException | WrappedFailure):
                LOG.error(
                    "%s failed unexpectedly\n%s",
                    live.inputs,
                    live.secrets.scrub_traceback(error),
                )
            if not live.is_ended:
                failing = functools.partial(steps.fail, live, error)
                ending.attempt(live, "ending in failure", failing)
            return error
        ending.attempt(
            live, "ending the records", functools.partial(steps.succeed, live)
        )
        return None

    def _run_flow(self, flow: BulkFlow) -> None:
        detail = models.FlowDetail(flow.name, uuidutils.generate_uuid())
        engine = engines.load(
            flow,
            flow_detail=detail,
            backend=VolatileBackend(),
            engine=ENGINE,
            executor=Lane(self._hooks, self._width, self._depth),
        )
        engine.run()
