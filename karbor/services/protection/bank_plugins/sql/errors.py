# SPDX-License-Identifier: Apache-2.0
"""What an error of a database means for whoever made the call."""

import enum

from sqlalchemy import exc
from sqlalchemy.engine import URL

#: PostgreSQL's SQLSTATEs (appendix A of its manual): serialization_failure,
#: deadlock_detected.
_POSTGRESQL_AGAIN = frozenset({"40001", "40P01"})
#: MariaDB's error codes: ER_LOCK_DEADLOCK, and of Galera ER_CHECKREAD.
_MARIADB_AGAIN = frozenset({1213, 1020})


class Remedy(enum.Enum):
    """What to do about an error."""

    #: The transaction was taken back, and may be made again at once.
    REPEAT = "repeat"
    #: The connection is gone. Whether the transaction was committed is not known.
    RECONNECT = "reconnect"
    #: The database is away, or too busy: later.
    LATER = "later"
    #: It will not work.
    NONE = "none"


def remedy(error: exc.SQLAlchemyError) -> Remedy:
    """What to do about an error."""
    if isinstance(error, exc.TimeoutError):
        return Remedy.LATER
    if not isinstance(error, exc.DBAPIError):
        return Remedy.NONE
    if error.connection_invalidated:
        return Remedy.RECONNECT
    if _sqlstate(error) in _POSTGRESQL_AGAIN or _code(error) in _MARIADB_AGAIN:
        return Remedy.REPEAT
    if isinstance(error, exc.OperationalError | exc.InterfaceError):
        return Remedy.LATER
    return Remedy.NONE


def describe(error: BaseException, url: URL) -> str:
    """An error in one line: without the statement, its values, and the password."""
    cause = error.orig if isinstance(error, exc.DBAPIError) else error
    text = " ".join(str(cause).split()) or type(cause).__name__
    for secret in (url.password, *_secrets(url)):
        if secret:
            text = text.replace(str(secret), "***")
    return text


def _secrets(url: URL) -> list[str]:
    found: list[str] = []
    for name, value in url.query.items():
        if "pass" in name.lower():
            found.extend([value] if isinstance(value, str) else value)
    return found


def _sqlstate(error: exc.DBAPIError) -> str | None:
    # psycopg2 calls it pgcode, psycopg 3 sqlstate.
    return getattr(error.orig, "pgcode", None) or getattr(error.orig, "sqlstate", None)


def _code(error: exc.DBAPIError) -> int | None:
    arguments = getattr(error.orig, "args", ())
    code = arguments[0] if arguments else None
    return code if isinstance(code, int) else None
