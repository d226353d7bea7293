# SPDX-License-Identifier: Apache-2.0
"""A bank in a folder of a filesystem, local or shared.

An object with the key ``/a/b`` is the file ``<path>/<container>/a/b``, as it was in
Karbor 1.x. What a file contains is told in :mod:`.file_system.values`.
"""

import contextlib
import datetime
import itertools
import math
import os
import threading
import time
import uuid
from contextlib import AbstractContextManager
from typing import Any

from oslo_config import cfg
from oslo_log import log as logging

from karbor import exception
from karbor.context import RequestContext
from karbor.services.protection.bank import keys
from karbor.services.protection.bank.leases import LEASE_OPTS, LeaseWindows
from karbor.services.protection.bank_plugin import (
    BankCapabilities,
    BankPlugin,
    LeasePlugin,
)
from karbor.services.protection.bank_plugins.file_system import files, mounts, values
from karbor.services.protection.bank_plugins.file_system.batch import FileSystemBatch
from karbor.services.protection.bank_plugins.file_system.listing import (
    Listing,
    valid_keys,
)
from karbor.services.protection.bank_plugins.file_system.locks import (
    LockUnreadable,
    ObjectIsLocked,
    ObjectLocks,
)

LOG = logging.getLogger(__name__)

GROUP = "file_system_bank_plugin"
#: The option that says whether a bank that is not there is made.
CREATE = "file_system_bank_create"
OPTS = [
    cfg.StrOpt(
        "file_system_bank_path",
        help="Absolute path of the folder in which the bank keeps its objects; made "
        "when missing. To be shared by several services it lies on a filesystem that "
        "they share. Required; there is no default.",
    ),
    cfg.StrOpt(
        "bank_object_container",
        default="karbor",
        help="Name of the folder in file_system_bank_path that holds the objects. "
        "Change it to keep several banks in one place.",
    ),
    cfg.BoolOpt(
        "file_system_bank_object_lock",
        default=False,
        help="Append-only mode: objects can be locked until a date, before which no "
        "service deletes or replaces them. What was locked stays locked when this is "
        "turned off again. Needs a filesystem that has flock, on every machine that "
        "shares it. It does not hold back who can write to the folder without Karbor.",
    ),
    cfg.StrOpt(
        "file_system_bank_strong_read",
        default="auto",
        choices=["auto", "yes", "no"],
        help="Whether every service sees at once what another has written, so that "
        "garbage is collected without waiting. 'auto' finds it on a local disk, and "
        "not on NFS or another shared filesystem. Say 'no' where this machine exports "
        "the folder to other machines whose services use it.",
    ),
    cfg.BoolOpt(
        CREATE,
        default=True,
        help="Whether a service that starts makes the bank's folder when it is not "
        "there. Turn it off once the bank is made on a filesystem that is mounted: "
        "a service that starts before the mount then refuses the bank, instead of "
        "beginning an empty one below the mount point. 'karbor-manage bank' never "
        "makes it.",
    ),
    *LEASE_OPTS,
]

#: Beside the containers, so that no key can name it and no listing finds it.
TEMPORARY = ".karbor-tmp"
#: Beside the containers likewise: until when their objects are locked.
LOCKS = ".karbor-locks"
# Longer than any write of one object takes.
_DEAD_WRITER_SECONDS = 24 * 3600.0
_LEASES = "/leases/"
# Goes on while the machine sleeps, as the clocks of others do.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Make a provider's configuration know the group of this plugin."""
    conf.register_opts(OPTS, group=GROUP)


class FileSystemBankPlugin(BankPlugin, LeasePlugin):
    """Keeps each object in a file.

    :param config: the provider's configuration
    :raises InvalidInput: when the path cannot be written or an option is out of
        order; the error's ``kwargs["option"]`` names it as ``[group]/option``
    """

    def __init__(self, config: cfg.ConfigOpts) -> None:
        super().__init__(config)
        register_opts(config)
        options = config[GROUP]
        windows = LeaseWindows.from_options(options, GROUP)
        self.lease_expire_window = windows.expire
        self.lease_renew_window = windows.renew
        self.lease_validity_window = windows.validity
        self._owner_id = str(uuid.uuid4())
        self._lease_lock = threading.Lock()
        self._lease_written: float | None = None
        self._leases_cleaned = -math.inf
        path = _checked_path(options.file_system_bank_path)
        container = _checked_container(options.bank_object_container)
        self._root = os.path.join(path, container)
        self._leases = self._root + _LEASES.encode()
        self._listing = Listing(self._root)
        temporary = os.path.join(path, os.fsencode(TEMPORARY))
        self._locks = ObjectLocks(
            self._root,
            os.path.join(path, os.fsencode(LOCKS), container),
            temporary,
        )
        self._can_lock = options.file_system_bank_object_lock
        self._files = files.FileStore(
            self._root, temporary, self._has_files, self._changing
        )
        if not options[CREATE] and self._is_away():
            raise _invalid(
                "file_system_bank_path",
                f"{self._away()}; that of a new bank is made by a service that starts "
                f"with {CREATE} on",
            )
        try:
            files.prepare(path, self._root, temporary)
            if self._can_lock:
                self._locks.prepare()
            removed = self._files.remove_temporaries(_DEAD_WRITER_SECONDS)
            self._files.keep_space_back()
        except OSError as error:
            raise _invalid(
                "file_system_bank_path",
                f"nothing can be written below {os.fsdecode(path)!r}: "
                f"{error.strerror or error} ({os.fsdecode(error.filename or b'')})",
            ) from error
        strong_read = options.file_system_bank_strong_read
        self._has_strong_read = strong_read == "yes" or (
            strong_read == "auto" and mounts.is_local(path)
        )
        if removed:
            LOG.info(
                "Removed %d temporary files of writers that died below %s.",
                removed,
                os.fsdecode(temporary),
            )

    @property
    def capabilities(self) -> BankCapabilities:
        # link(2) and O_EXCL are atomic on every POSIX filesystem, NFS since version 3.
        # A strong read is not: the clients of NFS keep what they have read for a while.
        return BankCapabilities(
            atomic_create=True,
            strong_read=self._has_strong_read,
            # The kernel is done with a call when its process is.
            no_late_writes=self._has_strong_read,
            object_lock=self._can_lock,
        )

    def update_object(
        self, key: str, value: Any, context: RequestContext | None = None
    ) -> None:
        path = self._path(key)
        try:
            self._files.write(path, *values.encode(value, key))
        except (
            OSError,
            TypeError,
            ValueError,
            files.KeyConflict,
            ObjectIsLocked,
            LockUnreadable,
        ) as error:
            raise self._not_updated(key, error) from error

    def batch(self) -> FileSystemBatch:
        return FileSystemBatch(
            self, self._files, self._root, self._path, self._not_updated
        )

    def get_object(self, key: str, context: RequestContext | None = None) -> Any:
        try:
            return self._get(key)
        except (OSError, values.ValueDamaged) as error:
            raise exception.BankGetObjectFailed(
                key=key, reason=self._reason(error)
            ) from error

    def list_objects(
        self,
        prefix: str | None = None,
        limit: int | None = None,
        marker: str | None = None,
        sort_dir: str | None = None,
        context: RequestContext | None = None,
    ) -> list[str]:
        if not prefix:
            prefix = "/"
        if prefix != "/":
            if not prefix.startswith("/"):
                return []
            keys.validate_relative_prefix(prefix[1:])
        found = self._listing.keys(
            prefix=prefix.encode(),
            marker=None if marker is None else marker.encode("utf-8", "surrogatepass"),
            descending=sort_dir == "desc",
        )
        try:
            page = list(itertools.islice(valid_keys(found), limit))
        except OSError as error:
            folder = f" ({os.fsdecode(error.filename)})" if error.filename else ""
            raise exception.BankListObjectsFailed(
                reason=f"{self._reason(error)}{folder}"
            ) from error
        if not page and self._is_away():
            raise exception.BankListObjectsFailed(reason=self._away())
        return page

    def delete_object(self, key: str, context: RequestContext | None = None) -> None:
        try:
            self._files.delete(self._path(key))
        except ObjectIsLocked as error:
            raise _locked(key, error) from error
        except (OSError, LockUnreadable) as error:
            raise exception.BankDeleteObjectFailed(
                key=key, reason=self._reason(error)
            ) from error

    def lock_object(self, key: str, until: datetime.datetime) -> None:
        if not self._can_lock:
            raise exception.BankLockNotSupported(
                key=key,
                reason=f"[{GROUP}]/file_system_bank_object_lock of the provider's file "
                "is not true",
            )
        if until.tzinfo is None:
            raise exception.InvalidParameterValue(
                err=f"An object is locked until an aware moment, not until {until}"
            )
        try:
            self._locks.lock(self._path(key), until)
        except (OSError, files.KeyConflict, LockUnreadable) as error:
            raise exception.BankLockObjectFailed(
                key=key, reason=self._reason(error)
            ) from error

    def locked_until(self, key: str) -> datetime.datetime | None:
        path = self._path(key)
        try:
            self._files.look(path, values.HEADER_SIZE)
            return self._locks.until(path)
        except (OSError, LockUnreadable) as error:
            raise exception.BankGetObjectFailed(
                key=key, reason=self._reason(error)
            ) from error

    def stored_size(self, key: str) -> int | None:
        try:
            header, size = self._files.look(self._path(key), values.HEADER_SIZE)
        except OSError as error:
            raise exception.BankGetObjectFailed(
                key=key, reason=self._reason(error)
            ) from error
        return size if header == values.BYTES else None

    def get_owner_id(self, context: RequestContext | None = None) -> str:
        return self._owner_id

    def acquire_lease(self) -> None:
        self._write_lease()

    def renew_lease(self) -> None:
        self._write_lease()

    def check_lease_validity(self) -> bool:
        with self._lease_lock:
            written = self._lease_written
        if written is None:
            return False
        left = written + self.lease_expire_window - time.clock_gettime(_CLOCK)
        return left > self.lease_validity_window

    def check_lease_existence(self, owner_id: str) -> bool:
        expires = self._lease_expiry(_LEASES + keys.validate_part(owner_id))
        return expires is not None and expires > time.time()

    def release_lease(self) -> None:
        """Give the lease up, so that others know at once that the owner is gone.

        :raises BankDeleteObjectFailed: when the lease cannot be deleted; it expires
        """
        with self._lease_lock:
            self._lease_written = None
        key = _LEASES + self._owner_id
        try:
            self._files.delete(self._path(key))
        except FileNotFoundError:
            LOG.debug("The lease of owner %s was already gone.", self._owner_id)
        except OSError as error:
            raise exception.BankDeleteObjectFailed(
                key=key, reason=self._reason(error)
            ) from error

    def _write_lease(self) -> None:
        # Before the write: however long it takes, the owner never believes in its
        # lease for longer than others do.
        written = time.clock_gettime(_CLOCK)
        lease = {
            "owner_id": self._owner_id,
            "expires_at": time.time() + self.lease_expire_window,
        }
        try:
            self.update_object(_LEASES + self._owner_id, lease)
        except exception.BankUpdateObjectFailed as error:
            raise exception.AcquireLeaseFailed(reason=str(error)) from error
        with self._lease_lock:
            self._lease_written = written
        self._clean_leases(written)

    def _clean_leases(self, now: float) -> None:
        """Delete leases that expired long ago, now and then.

        Long ago, so that no lease is deleted whose owner is just late to renew it.
        """
        if now - self._leases_cleaned < self.lease_expire_window:
            return
        self._leases_cleaned = now
        try:
            for key in self.list_objects(prefix=_LEASES):
                expires = self._lease_expiry(key)
                if expires is not None and (
                    time.time() - expires > self.lease_expire_window
                ):
                    self.delete_object(key)
        except exception.BankException as error:
            LOG.warning("Expired leases could not be cleaned up: %s", error)

    def _lease_expiry(self, key: str) -> float | None:
        """When a lease expires, in seconds since the epoch; None when there is none.

        :raises BankGetObjectFailed: when it cannot be read
        """
        try:
            return float(self._get(key)["expires_at"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise exception.BankGetObjectFailed(
                key=key, reason=f"it is no lease: {self._reason(error)}"
            ) from error

    def _get(self, key: str) -> Any:
        header, content = self._files.read(self._path(key), values.HEADER_SIZE)
        return values.decode(header, content, key)

    def _path(self, key: str) -> bytes:
        return self._root + keys.validate(key).encode()

    def _is_away(self) -> bool:
        """Whether the folder that this bank made is not there any more.

        An empty mount point looks so too: the container lies inside the mount.
        """
        return not os.path.isdir(self._root)

    def _away(self) -> str:
        return (
            f"the bank's folder {os.fsdecode(self._root)!r} is gone: mount it, or put "
            "it back"
        )

    def _not_updated(self, key: str, error: Exception) -> exception.BankException:
        """The error of the contract that says why an object was not put."""
        if isinstance(error, ObjectIsLocked):
            return _locked(key, error)
        if isinstance(error, TypeError | ValueError):
            reason = f"its value cannot be kept: {error}"
        else:
            reason = self._reason(error)
        return exception.BankUpdateObjectFailed(key=key, reason=reason)

    def _reason(self, error: BaseException) -> str:
        if isinstance(error, OSError) and self._is_away():
            return self._away()
        return _reason(error)

    def _changing(self, path: bytes) -> AbstractContextManager[None]:
        if path.startswith(self._leases):
            # Never locked, and not to wait for whoever changes something else.
            return contextlib.nullcontext()
        return self._locks.changing(path)

    def _has_files(self, path: bytes) -> bool:
        prefix = path.removeprefix(self._root) + b"/"
        return next(self._listing.keys(prefix), None) is not None


def _checked_path(path: str | None) -> bytes:
    if not path:
        raise _invalid("file_system_bank_path", "it is not set; name a folder")
    if not os.path.isabs(path):
        raise _invalid("file_system_bank_path", f"{path!r} is not an absolute path")
    return os.path.normpath(os.fsencode(path))


def _checked_container(container: str) -> bytes:
    try:
        keys.validate_part(container)
    except exception.InvalidParameterValue as error:
        raise _invalid("bank_object_container", str(error)) from error
    if container in (TEMPORARY, LOCKS):
        raise _invalid("bank_object_container", f"{container!r} is taken")
    return container.encode()


def _invalid(option: str, problem: str) -> exception.InvalidInput:
    name = f"[{GROUP}]/{option}"
    return exception.InvalidInput(reason=f"option {name}: {problem}", option=name)


def _locked(key: str, error: ObjectIsLocked) -> exception.BankObjectLocked:
    return exception.BankObjectLocked(
        key=key, until=error.until.isoformat(timespec="seconds")
    )


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
