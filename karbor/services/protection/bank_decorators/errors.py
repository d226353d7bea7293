# SPDX-License-Identifier: Apache-2.0
"""What an error of a bank plugin tells: may it pass, is the object missing."""

import errno
from collections.abc import Iterator

from karbor import exception

#: Of a filesystem or a network that may be back in a moment.
PASSING_ERRNOS = frozenset(
    {
        errno.EAGAIN,
        errno.EBUSY,
        errno.ECONNABORTED,
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.EINTR,
        errno.EIO,
        errno.EMFILE,
        errno.ENETDOWN,
        errno.ENETRESET,
        errno.ENETUNREACH,
        errno.ENFILE,
        errno.ENOBUFS,
        errno.EPIPE,
        errno.EREMOTEIO,
        errno.ESTALE,
        errno.ETIMEDOUT,
    }
)
#: RFC 9110 and RFC 6585: time out, too many requests, and the server's own troubles.
#: 501 and 505 do not pass.
PASSING_HTTP_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})

_NOT_FOUND = 404
#: Whatever they come from, the same call will not succeed soon.
_NEVER = (
    exception.BankReadonlyViolation,
    exception.BankObjectLocked,
    exception.BankLockNotSupported,
    exception.LeaseLost,
)


def may_pass(error: BaseException) -> bool:
    """Whether the same call may succeed later.

    A bank plugin says so by ``retryable=True`` in what it raises. Of one that does
    not, such as a plugin of Karbor 1.x, what its error comes from is looked at: errors
    of the network and of the operating system that pass, and answers over HTTP
    (an ``http_status``, as in python-swiftclient and keystoneauth1).
    """
    if isinstance(error, _NEVER):
        return False
    return any(_passes(cause) for cause in _causes(error))


def is_missing(error: BaseException) -> bool:
    """Whether an error says that the object is not there.

    False also stands for "it does not tell".
    """
    return any(
        isinstance(cause, FileNotFoundError) or _http_status(cause) == _NOT_FOUND
        for cause in _causes(error)
    )


def _passes(cause: BaseException) -> bool:
    if getattr(cause, "retryable", False):
        return True
    if isinstance(cause, TimeoutError | ConnectionError):
        return True
    if isinstance(cause, OSError) and cause.errno in PASSING_ERRNOS:
        return True
    return _http_status(cause) in PASSING_HTTP_STATUSES


def _http_status(cause: BaseException) -> int | None:
    status = getattr(cause, "http_status", None)
    return status if isinstance(status, int) else None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what it was raised from, as a traceback shows it."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        if current.__cause__ is not None:
            current = current.__cause__
        else:
            current = None if current.__suppress_context__ else current.__context__
