# SPDX-License-Identifier: Apache-2.0
"""Calls over HTTP that are tried again when that may help, and never without end."""

import abc
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import tenacity
from oslo_log import log as logging

LOG = logging.getLogger(__name__)

_Result = TypeVar("_Result")

_LONGEST_WAIT = 60.0
#: The server says that it has not done it, and that trying again may help.
REFUSED_FOR_NOW = frozenset({408, 425, 429, 498, 499})


class TryAgain(Exception):
    """An answer that cannot be right, or did not do what was asked; the text says."""


class CallFailed(Exception):
    """A call failed for good.

    :param reason: what happened; holds no secret
    :param http_status: of the answer; None when there was none
    :param retryable: whether the same call may succeed later
    :param maybe_done: whether an attempt before this answer may have been carried
        out, its answer having been lost
    """

    def __init__(
        self,
        reason: str,
        http_status: int | None = None,
        retryable: bool = False,
        maybe_done: bool = False,
    ) -> None:
        super().__init__(reason)
        self.http_status = http_status
        self.retryable = retryable
        self.maybe_done = maybe_done


class Errors(abc.ABC):
    """What the errors of a store's client library mean."""

    #: What messages call the store.
    store: str

    @abc.abstractmethod
    def is_foreseen(self, error: BaseException) -> bool:
        """Whether it tells of the store or the way to it, and not of a defect."""

    @abc.abstractmethod
    def is_transient(self, error: BaseException) -> bool:
        """Whether trying again may help."""

    @abc.abstractmethod
    def http_status(self, error: BaseException) -> int | None:
        """The status of the answer; None when there was none."""

    @abc.abstractmethod
    def headers(self, error: BaseException) -> Mapping[str, Any]:
        """The headers of the answer."""

    @abc.abstractmethod
    def describe(self, error: BaseException) -> str:
        """What to tell; holds no secret."""

    def may_be_done(self, error: BaseException) -> bool:
        """Whether the store may have done what was asked."""
        status = self.http_status(error)
        return status is None or status >= 500


class Attempts:
    """Tries a call until it succeeds, fails for good, or was tried often enough.

    Safe from many threads at once.

    :param errors: of the store's client library
    :param retries: attempts after the first
    :param backoff: seconds before the second, doubled for each further one; a server
        that asks for more by ``Retry-After`` gets it, up to a minute
    """

    def __init__(self, errors: Errors, retries: int, backoff: float) -> None:
        self._errors = errors
        self._retries = retries
        self._exponential = tenacity.wait_exponential(
            multiplier=backoff, max=_LONGEST_WAIT
        )

    def call(self, attempt: Callable[[], _Result]) -> _Result:
        """Do something.

        :param attempt: called once for each attempt
        :raises CallFailed: when it failed for good
        """
        maybe_done = False
        made = 0

        def one() -> _Result:
            nonlocal maybe_done, made
            made += 1
            try:
                return attempt()
            except Exception as error:
                maybe_done = maybe_done or self._errors.may_be_done(error)
                raise

        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(1 + self._retries),
            wait=self._wait,
            retry=tenacity.retry_if_exception(self._is_transient),
            before_sleep=self._log,
            reraise=True,
        )
        try:
            return retrying(one)
        except Exception as error:
            if not (self._is_transient(error) or self._errors.is_foreseen(error)):
                raise
            reason = self._describe(error)
            if made > 1:
                reason += f" (the last of {made} attempts)"
            raise CallFailed(
                reason,
                http_status=self._errors.http_status(error),
                retryable=self._is_transient(error),
                maybe_done=maybe_done,
            ) from error

    def _is_transient(self, error: BaseException) -> bool:
        return isinstance(error, TryAgain) or self._errors.is_transient(error)

    def _describe(self, error: BaseException) -> str:
        if isinstance(error, TryAgain):
            return str(error)
        return self._errors.describe(error)

    def _wait(self, state: tenacity.RetryCallState) -> float:
        """What the server asks for, or twice as long as the last time."""
        wait = self._exponential(state)
        error = state.outcome.exception() if state.outcome else None
        headers = self._errors.headers(error) if error else {}
        asked = next(
            (str(v) for name, v in headers.items() if name.lower() == "retry-after"), ""
        )
        if asked.isdecimal():
            wait = max(wait, min(float(asked), _LONGEST_WAIT))
        return wait

    def _log(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        LOG.info(
            "Attempt %d of a call to %s failed: %s",
            state.attempt_number,
            self._errors.store,
            self._describe(error) if error else "",
        )
