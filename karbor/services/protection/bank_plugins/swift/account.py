# SPDX-License-Identifier: Apache-2.0
"""Calls to a Swift account: who is asked, how long, and how often."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import keystoneauth1.exceptions
import requests
import swiftclient
import urllib3.exceptions
from swiftclient import client as swift

from karbor.services.protection.bank_plugins.object_store.attempts import (
    REFUSED_FOR_NOW,
    Attempts,
    Errors,
)
from karbor.services.protection.bank_plugins.swift.login import Login

_Result = TypeVar("_Result")

# python-swiftclient writes half of a short key into its log else.
swift.logger_settings["reveal_sensitive_prefix"] = 0

_UNAUTHORIZED = 401
_UNPROCESSABLE = 422
# What will be the same the next time.
_FINAL_ERRORS = (
    requests.exceptions.SSLError,
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
)


class SwiftErrors(Errors):
    """Those of python-swiftclient, of what is below it, and of keystoneauth1."""

    store = "Swift"

    def is_foreseen(self, error: BaseException) -> bool:
        return isinstance(
            error,
            swiftclient.ClientException
            | keystoneauth1.exceptions.ClientException
            | urllib3.exceptions.HTTPError
            | OSError,
        )

    def is_transient(self, error: BaseException) -> bool:
        status = self.http_status(error)
        if status is not None:
            return status >= 500 or status in {*REFUSED_FOR_NOW, _UNPROCESSABLE}
        if isinstance(error, _FINAL_ERRORS):
            return False
        return isinstance(
            error,
            OSError
            | urllib3.exceptions.HTTPError
            | keystoneauth1.exceptions.RetriableConnectionFailure
            # So it calls a Keystone too that does not answer.
            | keystoneauth1.exceptions.DiscoveryFailure,
        )

    def http_status(self, error: BaseException) -> int | None:
        if isinstance(
            error, swiftclient.ClientException | keystoneauth1.exceptions.HttpError
        ):
            return error.http_status
        return None

    def headers(self, error: BaseException) -> Mapping[str, Any]:
        return getattr(error, "http_response_headers", None) or {}

    def describe(self, error: BaseException) -> str:
        if isinstance(error, swiftclient.ClientException) and error.http_status:
            text = f"Swift answered {error.http_status} {error.http_reason}"
            if error.transaction_id:
                text += f", transaction {error.transaction_id}"
            if error.http_status == _UNAUTHORIZED:
                text += ": the credentials were refused; check swift_user and swift_key"
            return text
        return f"{error or type(error).__name__}"

    def may_be_done(self, error: BaseException) -> bool:
        if isinstance(error, keystoneauth1.exceptions.ClientException):
            return False
        return super().may_be_done(error)


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
        self._attempts = Attempts(SwiftErrors(), retries, backoff)
        self._login_lock = threading.Lock()
        self._access: tuple[str, str] | None = None
        self._idle_lock = threading.Lock()
        self._idle: list[tuple[str, Any]] = []

    def call(self, work: Callable[[Request], _Result]) -> _Result:
        """Do something, again when that may help.

        :param work: makes one request; called once for each attempt
        :raises CallFailed: when it failed for good
        """
        return self._attempts.call(lambda: self._attempt(work))

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
