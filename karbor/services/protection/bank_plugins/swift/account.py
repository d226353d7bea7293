# SPDX-License-Identifier: Apache-2.0
"""Calls to a Swift account: who is asked, how long, and how often."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import keystoneauth1.exceptions
import requests
import swiftclient
import tenacity
import urllib3.exceptions
from oslo_log import log as logging
from swiftclient import client as swift

from karbor.services.protection.bank_plugins.swift.login import Login

LOG = logging.getLogger(__name__)

_Result = TypeVar("_Result")

# python-swiftclient writes half of a short key into its log else.
swift.logger_settings["reveal_sensitive_prefix"] = 0

_LONGEST_WAIT = 60.0
_UNAUTHORIZED = 401
#: The server says that it has not done it, and that trying again may help.
_REFUSED_FOR_NOW = frozenset({408, 429, 498, 499})
_UNPROCESSABLE = 422
# What will be the same the next time.
_FINAL_ERRORS = (
    requests.exceptions.SSLError,
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
)


class TryAgain(Exception):
    """An answer that cannot be right, or did not do what was asked; the text says."""


class SwiftError(Exception):
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


class Request:
    """One attempt: calls a function of python-swiftclient for the account."""

    def __init__(self, url: str, token: str, http_conn: Any) -> None:
        self._url = url
        self._token = token
        self._http_conn = http_conn

    def __call__(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return function(
            self._url, self._token, *args, http_conn=self._http_conn, **kwargs
        )


class SwiftAccount:
    """An account, called from many threads at once.

    Threads share the token; each call has a connection for itself, kept for the next.

    :param login: where the account and its token come from
    :param timeouts: seconds to wait for a connection, and for the next bytes
    :param retries: further attempts after a lost connection, a 5xx, a 429, or an
        answer that cannot be right
    :param backoff: seconds before the first of them, doubled for each further one
    """

    def __init__(
        self,
        login: Login,
        *,
        timeouts: tuple[float, float],
        retries: int,
        backoff: float,
        cacert: str | None = None,
        insecure: bool = False,
    ) -> None:
        self._login = login
        self._timeouts = timeouts
        self._cacert = cacert
        self._insecure = insecure
        self._retries = retries
        self._backoff = backoff
        self._login_lock = threading.Lock()
        self._access: tuple[str, str] | None = None
        self._idle_lock = threading.Lock()
        self._idle: list[tuple[str, Any]] = []

    def call(self, work: Callable[[Request], _Result]) -> _Result:
        """Do something, again when that may help.

        :param work: makes one request; called once for each attempt
        :raises SwiftError: when it failed for good
        """
        maybe_done = False
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(1 + self._retries),
            wait=self._wait,
            retry=tenacity.retry_if_exception(_is_transient),
            before_sleep=_log,
            reraise=True,
        )
        try:
            for attempt in retrying:
                with attempt:
                    try:
                        return self._attempt(work)
                    except Exception as error:
                        maybe_done = maybe_done or _may_be_done(error)
                        raise
        except Exception as error:
            attempts = retrying.statistics["attempt_number"]
            if not _is_foreseen(error):
                raise
            raise _final(error, attempts, maybe_done) from error
        raise AssertionError("tenacity gave up without an error")

    def _attempt(self, work: Callable[[Request], _Result]) -> _Result:
        access = self._logged_in()
        try:
            return self._request(access, work)
        except swiftclient.ClientException as error:
            if error.http_status != _UNAUTHORIZED:
                raise
        self._refused(access)
        return self._request(self._logged_in(), work)

    def _request(
        self, access: tuple[str, str], work: Callable[[Request], _Result]
    ) -> _Result:
        url, token = access
        with self._connection(url) as http_conn:
            return work(Request(url, token, http_conn))

    def _logged_in(self) -> tuple[str, str]:
        with self._login_lock:
            if self._access is None:
                self._access = self._login.log_in()
            return self._access

    def _refused(self, access: tuple[str, str]) -> None:
        """A token was refused: the next request logs in anew."""
        with self._login_lock:
            if self._access == access:
                self._access = None
                self._login.forget()

    @contextlib.contextmanager
    def _connection(self, url: str) -> Iterator[Any]:
        """A connection of the calling thread's own, for the time of a request."""
        made = self._take(url) or swift.http_connection(
            url, cacert=self._cacert, insecure=self._insecure, timeout=self._timeouts
        )
        try:
            yield made
        except swiftclient.ClientException as error:
            # Any other answer was read to its end.
            if error.http_status is None or error.http_status in (408, 499):
                made[1].close()
            else:
                self._give_back(url, made)
            raise
        except BaseException:
            made[1].close()
            raise
        self._give_back(url, made)

    def _take(self, url: str) -> Any | None:
        with self._idle_lock:
            while self._idle:
                of, made = self._idle.pop()
                if of == url:
                    return made
                made[1].close()
        return None

    def _give_back(self, url: str, made: Any) -> None:
        with self._idle_lock:
            self._idle.append((url, made))

    def _wait(self, state: tenacity.RetryCallState) -> float:
        """What the server asks for, or twice as long as the last time."""
        wait = tenacity.wait_exponential(multiplier=self._backoff, max=_LONGEST_WAIT)(
            state
        )
        error = state.outcome.exception() if state.outcome else None
        headers = getattr(error, "http_response_headers", None) or {}
        asked = str(headers.get("Retry-After", ""))
        if asked.isdecimal():
            wait = max(wait, min(float(asked), _LONGEST_WAIT))
        return wait


def _is_transient(error: BaseException) -> bool:
    if isinstance(error, swiftclient.ClientException):
        status = error.http_status
        if status is None:
            return False
        return status >= 500 or status in _REFUSED_FOR_NOW or status == _UNPROCESSABLE
    if isinstance(error, keystoneauth1.exceptions.HttpError):
        return error.http_status >= 500 or error.http_status in _REFUSED_FOR_NOW
    if isinstance(error, _FINAL_ERRORS):
        return False
    return isinstance(
        error,
        TryAgain
        | OSError
        | urllib3.exceptions.HTTPError
        | keystoneauth1.exceptions.ConnectFailure,
    )


def _is_foreseen(error: BaseException) -> bool:
    return _is_transient(error) or isinstance(
        error,
        swiftclient.ClientException
        | OSError
        | keystoneauth1.exceptions.ClientException,
    )


def _may_be_done(error: BaseException) -> bool:
    """Whether the server may have done what an attempt asked for."""
    if isinstance(error, swiftclient.ClientException):
        return error.http_status is None or error.http_status >= 500
    return not isinstance(error, keystoneauth1.exceptions.ClientException)


def _final(error: Exception, attempts: int, maybe_done: bool) -> SwiftError:
    reason = _describe(error)
    if attempts > 1:
        reason += f" (attempt {attempts} of {attempts})"
    return SwiftError(
        reason,
        http_status=getattr(error, "http_status", None),
        retryable=_is_transient(error),
        maybe_done=maybe_done,
    )


def _describe(error: BaseException) -> str:
    if isinstance(error, swiftclient.ClientException) and error.http_status:
        text = f"Swift answered {error.http_status} {error.http_reason}"
        if error.transaction_id:
            text += f", transaction {error.transaction_id}"
        if error.http_status == _UNAUTHORIZED:
            text += ": the credentials were refused; check swift_user and swift_key"
        return text
    return f"{error or type(error).__name__}"


def _log(state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    LOG.info(
        "Attempt %d of a call to Swift failed: %s",
        state.attempt_number,
        _describe(error) if error else "",
    )
