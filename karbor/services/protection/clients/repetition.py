# SPDX-License-Identifier: Apache-2.0
"""What is sent again when a service does not answer, or asks to come back later.

A GET or HEAD changes nothing, and a DELETE done twice is a DELETE done once (RFC 9110,
9.2.2): these are repeated after a lost connection, and after a status that says that
another try may help. A PUT is idempotent by that rule too, but not in OpenStack, where
Neutron adds an interface to a router by one. So it is treated as POST and PATCH are:
repeated only when no connection could be made, so that it was never sent. A POST that
asks Keystone for a token does no more when it is done twice than give two of them.
"""

import datetime
import email.utils
import functools
import urllib.parse
from collections.abc import Callable
from typing import Any

import keystoneauth1.exceptions
import requests
import tenacity
import urllib3.exceptions
from oslo_log import log as logging
from oslo_utils import timeutils

LOG = logging.getLogger(__name__)

_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})

#: Where Keystone gives tokens.
_TOKENS = "/auth/tokens"

#: Of an answer after which the same call may succeed: the request took too long to
#: arrive, there are too many, and what a service or a proxy before it answers while it
#: is broken or overloaded.
RETRYABLE_STATUSES = frozenset({408, 429, 500, 502, 503, 504})

#: Seconds that are waited at most, also when ``Retry-After`` asks for more.
LONGEST_WAIT = 60.0

Send = Callable[[], requests.Response]


class Repetition:
    """Sends a request again where that is safe and may help; from any thread.

    :param retries: further tries
    :param interval: seconds to wait before the second try, at most; doubled for each
        further one. How much of it is left to chance, so that many that failed together
        do not come back together
    """

    def __init__(self, retries: int, interval: float) -> None:
        self._stop = tenacity.stop_after_attempt(retries + 1)
        self._backoff = tenacity.wait_random_exponential(
            multiplier=interval, max=LONGEST_WAIT
        )

    def send(self, method: str, url: str, once: Send) -> requests.Response:
        """Send a request until it succeeds, or fails for good.

        :param once: sends it once; the body must be whole each time
        :returns: the last answer
        :raises Exception: what the last try raised
        """
        retrying = tenacity.Retrying(
            stop=self._stop,
            wait=self._wait,
            retry=functools.partial(_is_worth_it, _is_repeatable(method.upper(), url)),
            before_sleep=functools.partial(_tell, method.upper(), url),
            retry_error_callback=lambda state: state.outcome and state.outcome.result(),
        )
        answer: requests.Response = retrying(once)
        return answer

    def _wait(self, state: tenacity.RetryCallState) -> float:
        asked = _retry_after(_answer(state))
        return min(asked, LONGEST_WAIT) if asked else self._backoff(state)


def _is_repeatable(method: str, url: str) -> bool:
    return method in _REPEATABLE or (
        method == "POST" and urllib.parse.urlsplit(url).path.endswith(_TOKENS)
    )


def _is_worth_it(is_repeatable: bool, state: tenacity.RetryCallState) -> bool:
    error = state.outcome.exception() if state.outcome else None
    if not is_repeatable:
        return error is not None and _was_never_sent(error)
    answer = _answer(state)
    if answer is not None:
        return answer.status_code in RETRYABLE_STATUSES
    return isinstance(
        error, keystoneauth1.exceptions.RetriableConnectionFailure
    ) or isinstance(
        getattr(error, "original", None), requests.exceptions.ChunkedEncodingError
    )


def _was_never_sent(error: BaseException) -> bool:
    """Whether no connection could be made: refused, no route, no such name."""
    if not isinstance(error, keystoneauth1.exceptions.ConnectionError):
        return False
    # This request's own, and nothing below: there may be the failure of another one,
    # which the caller was handling when it sent this.
    below = error.__cause__ or error.__context__
    if not isinstance(below, requests.exceptions.ConnectionError):
        return False
    reason = getattr(below.args[0] if below.args else None, "reason", None)
    return isinstance(
        reason,
        urllib3.exceptions.NewConnectionError | urllib3.exceptions.ConnectTimeoutError,
    )


def _answer(state: tenacity.RetryCallState) -> Any:
    """The answer of the last try: returned, or carried by what it raised."""
    if state.outcome is None:
        return None
    error = state.outcome.exception()
    return getattr(error, "response", None) if error else state.outcome.result()


def _retry_after(answer: Any) -> float | None:
    """Seconds that a service asks to wait: a number, or a date (RFC 9110, 10.2.3)."""
    said = answer.headers.get("Retry-After") if answer is not None else None
    if not said:
        return None
    try:
        return float(said)
    except ValueError:
        pass
    try:
        when = email.utils.parsedate_to_datetime(said)
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=datetime.UTC)
    return max((when - timeutils.utcnow(with_timezone=True)).total_seconds(), 0.0)


def _tell(method: str, url: str, state: tenacity.RetryCallState) -> None:
    answer = _answer(state)
    error = state.outcome.exception() if state.outcome else None
    LOG.info(
        "%s %s: %s; try %d follows in %.1f seconds",
        method,
        url,
        f"HTTP {answer.status_code}" if answer is not None else error,
        state.attempt_number + 1,
        state.next_action.sleep if state.next_action else 0.0,
    )
