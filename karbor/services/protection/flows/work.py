# SPDX-License-Identifier: Apache-2.0
"""What one operation does to one resource: call its hooks, take them back."""

import functools
import inspect
from collections.abc import Callable
from concurrent import futures
from typing import Any

from oslo_log import log as logging

from karbor import exception
from karbor.resource import Resource
from karbor.services.protection.flows.live import LiveOperation
from karbor.services.protection.progress import ResourceProgress
from karbor.services.protection.protection_plugin import HOOKS, Operation
from karbor.services.protection.waiting.course import Course, Suspended, WaitCancelled

LOG = logging.getLogger(__name__)

REVERT = "on_revert"

_CUT_OFF = (
    "it was cut off when the service stopped. Deleting the checkpoint deletes what is "
    "left of it, as far as its plugin has noted that"
)


class HookFailed(exception.FlowError):
    """A hook raised; the text names the resource and is free of secrets."""


def implements(operation: Any, hook: str) -> bool:
    """Whether an operation has a hook of its own.

    Operations of Karbor 1.x are plain classes, which need not inherit from
    :class:`~karbor.services.protection.protection_plugin.Operation`.
    """
    method = getattr(operation, hook, None)
    if not callable(method):
        return False
    return getattr(method, "__func__", method) is not getattr(Operation, hook)


class ResourceWork:
    """One resource's hooks in one operation; at most one of them runs at a time.

    :param live: the operation
    :param resource: what the hooks are about
    :param operation: the plugin's object that has the hooks
    """

    __slots__ = (
        "_hooks_left",
        "_is_taken_back",
        "_progress",
        "is_begun",
        "live",
        "operation",
        "reason",
        "resource",
        "revert_reason",
    )

    def __init__(self, live: LiveOperation, resource: Resource, operation: Any) -> None:
        self.live = live
        self.resource = resource
        self.operation = operation
        self.is_begun = False
        #: Why a hook failed; None when none did.
        self.reason: str | None = None
        #: Why taking it back failed; None when it did not.
        self.revert_reason: str | None = None
        self._is_taken_back = False
        self._progress = ResourceProgress(live.progress)
        self._hooks_left = sum(implements(operation, hook) for hook in HOOKS)

    @property
    def is_done(self) -> bool:
        """Whether all hooks that there are have run."""
        return not self._hooks_left

    @property
    def can_revert(self) -> bool:
        """Whether the plugin takes back what its hooks began."""
        return implements(self.operation, REVERT)

    @property
    def is_taken_back(self) -> bool:
        """Whether the plugin has taken back what its hooks began."""
        return self._is_taken_back and self.can_revert and self.revert_reason is None

    def perform(self, hook: str) -> bool | Suspended:
        """Call a hook, unless the operation is stopping.

        A hook that waits is suspended, and holds no thread. When the operation stops
        meanwhile, the hook ends where it waits.

        :returns: whether the hook was called
        :raises HookFailed: when the hook raises, free of secrets
        :raises OperationStopped: see :meth:`LiveOperation.note_skipped`
        """
        live = self.live
        if not live.may_start():
            live.note_skipped()
            return False
        self.is_begun = True
        return self._go_on(hook, Course(functools.partial(self._call, hook)), None)

    def _go_on(
        self, hook: str, course: Course, awaited: futures.Future | None
    ) -> bool | Suspended:
        live = self.live
        # Whatever is logged in this thread now carries the request's id.
        live.hook_context.update_store()
        if awaited is not None and not live.may_start():
            # It ends where it waits, as those do whose wait was not over.
            awaited = None
        try:
            until = course.advance(awaited)
        except WaitCancelled:
            # Not its own failure; on_revert takes back what it has begun. Whoever
            # cancelled the wait, the operation must not end as if all were done.
            live.stop("what its hooks wait for is no longer looked at")
            return True
        except BaseException as error:  # noqa: BLE001 - whatever a plugin raises
            reason = f"{self.resource}: {hook}: {live.scrub(error)}"
            self.reason = f"{hook}: {live.scrub(error)}"
            live.note_failure(reason)
            trace = live.secrets.scrub_traceback(error)
            failure = HookFailed(flow=str(live.inputs), error=reason)
        else:
            if until is not None:
                future = live.wait(until)
                return Suspended(
                    future, functools.partial(self._go_on, hook, course, future)
                )
            self._hooks_left -= 1
            live.progress.add(hooks_done=1)
            return True
        # Outside of the handler, so that no secret comes along: oslo.log adds the
        # exception in flight to what it writes, Python as the context of another.
        self._log_failure(hook, trace)
        raise failure

    def take_back(self) -> Suspended | None:
        """Call ``on_revert``, the first time; what it raises is recorded."""
        if self._is_taken_back:
            return None
        self._is_taken_back = True
        if not self.can_revert:
            return None
        return self._go_back(Course(functools.partial(self._call, REVERT)), None)

    def _go_back(
        self, course: Course, awaited: futures.Future | None
    ) -> Suspended | None:
        self.live.hook_context.update_store()
        try:
            until = course.advance(awaited)
        except WaitCancelled:
            self.revert_reason = _CUT_OFF
            LOG.warning(
                "%s: taking back %s: %s", self.live.inputs, self.resource, _CUT_OFF
            )
            return None
        except BaseException as error:  # noqa: BLE001 - must not stop the others
            self.revert_reason = self.live.scrub(error)
            trace = self.live.secrets.scrub_traceback(error)
        else:
            if until is None:
                return None
            future = self.live.house.watcher.watch(until, self.live)
            return Suspended(future, functools.partial(self._go_back, course, future))
        self._log_failure(REVERT, trace)
        return None

    def _call(self, hook: str) -> Any:
        live = self.live
        method = getattr(self.operation, hook)
        arguments = {**live.hook_arguments(), "progress": self._progress}
        accepted = _accepted(getattr(method, "__func__", method))
        if accepted is not None:
            arguments = {k: v for k, v in arguments.items() if k in accepted}
        return method(
            live.checkpoint,
            self.resource,
            live.hook_context,
            live.parameters_of(self.resource),
            **arguments,
        )

    def _log_failure(self, hook: str, trace: str) -> None:
        LOG.error(
            "%s: %s of %s failed\n%s", self.live.inputs, hook, self.resource, trace
        )


@functools.lru_cache(maxsize=1024)
def _accepted(function: Callable[..., Any]) -> frozenset[str] | None:
    """The keywords that a hook takes; None when it takes any."""
    parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    return frozenset(parameter.name for parameter in parameters)
