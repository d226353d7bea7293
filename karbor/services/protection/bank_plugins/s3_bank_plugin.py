# SPDX-License-Identifier: Apache-2.0
"""A bank in a bucket of a store that speaks S3.

The key ``/a/b`` is the object ``a/b``. What an object holds is told in
:mod:`.object_store.values`; what such stores promise, and how this plugin lives with
it, in ``doc/source/operator/banks.rst``.
"""

import datetime
import email.utils
import json
import math
import uuid
from typing import Any

import boto3
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
from karbor.services.protection.bank_plugins.object_store import leases, values
from karbor.services.protection.bank_plugins.object_store.attempts import (
    Attempts,
    CallFailed,
)
from karbor.services.protection.bank_plugins.object_store.names import Names
from karbor.services.protection.bank_plugins.s3 import client as s3_client
from karbor.services.protection.bank_plugins.s3 import locks, objects
from karbor.services.protection.bank_plugins.s3.bucket import Bucket

LOG = logging.getLogger(__name__)

GROUP = "s3_bank_plugin"
OPTS = [
    cfg.StrOpt(
        "bank_s3_object_bucket",
        default="karbor",
        help="Name of the bucket that holds the objects; made at first use. Names of "
        "buckets are the store's, not the account's: most stores need another one "
        "here.",
    ),
    cfg.StrOpt(
        "bank_s3_object_prefix",
        default="",
        help="What the names of all objects begin with, such as 'lab/'. Change it to "
        "keep several banks in one bucket. Never change it once there are "
        "checkpoints.",
    ),
    cfg.BoolOpt(
        "bank_s3_object_lock",
        default=False,
        help="Make the bucket, when it is missing, with object lock, so that "
        "checkpoints can be locked until a date. A bucket that is there has it or not, "
        "whatever this says. Old versions of objects are deleted by a life-cycle rule "
        "after a day.",
    ),
    cfg.StrOpt(
        "bank_s3_lock_mode",
        default=locks.GOVERNANCE,
        choices=[
            (locks.GOVERNANCE, "who has s3:BypassGovernanceRetention may delete it"),
            (locks.COMPLIANCE, "nobody may, not even the account's owner"),
        ],
        help="How the store keeps what is locked from now on.",
    ),
    *LEASE_OPTS,
]
#: By group: what else the plugin reads.
OTHER_OPTS = {s3_client.GROUP: s3_client.OPTS}

_NOT_FOUND = 404
# Of the time between two renewals: what one attempt to renew may take at most.
_LEASE_PART = 4


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Make a provider's configuration know the groups of this plugin."""
    conf.register_opts(OPTS, group=GROUP)
    s3_client.register_opts(conf)


class S3BankPlugin(BankPlugin, LeasePlugin):
    """Keeps each object in an object of S3. Nothing is asked before first use.

    :param config: the provider's configuration
    :raises InvalidInput: when an option is missing or out of order; the error's
        ``kwargs["option"]`` names it as ``[group]/option``
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
        self._own_lease = leases.OwnLease(windows)
        self._leases_cleaned = -math.inf
        self._names = Names(options.bank_s3_object_prefix)
        client = config[s3_client.GROUP]
        # Of its own: boto3's default session is not safe to share.
        session = boto3.session.Session()
        bucket_client = s3_client.make_client(config, client.read_timeout, session)
        # A renewal that hangs must leave time for the next one.
        lease_client = s3_client.make_client(
            config, min(client.read_timeout, windows.renew / _LEASE_PART), session
        )
        attempts = Attempts(
            s3_client.S3Errors(), client.s3_retry_attempts, client.s3_retry_backoff
        )
        self._bucket = Bucket(
            bucket_client,
            options.bank_s3_object_bucket,
            client.s3_region,
            attempts,
            with_locks=options.bank_s3_object_lock,
        )
        self._objects = objects.Objects(
            bucket_client, self._bucket, self._names, attempts
        )
        self._lease_objects = objects.Objects(
            lease_client, self._bucket, self._names, attempts
        )
        self._locks = locks.BucketLocks(
            bucket_client, self._bucket.name, attempts, options.bank_s3_lock_mode
        )

    @property
    def capabilities(self) -> BankCapabilities:
        """What the store can do; asked of it once, by writing an object.

        :raises BankException: when the store cannot be asked
        """
        try:
            return self._bucket.capabilities(self._names)
        except CallFailed as error:
            raise exception.BankException(reason=str(error)) from error

    def update_object(
        self, key: str, value: Any, context: RequestContext | None = None
    ) -> None:
        try:
            body = values.encode(value)
        except (TypeError, ValueError) as error:
            raise exception.BankUpdateObjectFailed(
                key=key, reason=f"its value cannot be kept: {error}"
            ) from error
        try:
            self._objects.put_unless_locked(key, body, self._locks)
        except locks.ObjectIsLocked as error:
            raise _locked(key, error) from error
        except CallFailed as error:
            raise exception.BankUpdateObjectFailed(
                key=key, reason=self._reason(error, "bucket")
            ) from error

    def get_object(self, key: str, context: RequestContext | None = None) -> Any:
        try:
            return objects.value(*self._objects.get(key))
        except CallFailed as error:
            raise exception.BankGetObjectFailed(
                key=key, reason=self._reason(error, "object")
            ) from error
        except values.ValueDamaged as error:
            raise exception.BankGetObjectFailed(key=key, reason=str(error)) from error

    def list_objects(
        self,
        prefix: str | None = None,
        limit: int | None = None,
        marker: str | None = None,
        sort_dir: str | None = None,
        context: RequestContext | None = None,
    ) -> list[str]:
        backwards = sort_dir == "desc"
        page = self._names.page(prefix, marker, backwards)
        if page is None:
            return []
        try:
            return self._objects.list(page.prefix, page.marker, limit, backwards)
        except CallFailed as error:
            raise exception.BankListObjectsFailed(
                reason=self._reason(error, "bucket")
            ) from error

    def delete_object(self, key: str, context: RequestContext | None = None) -> None:
        try:
            self._objects.delete(key)
        except locks.ObjectIsLocked as error:
            raise _locked(key, error) from error
        except CallFailed as error:
            raise exception.BankDeleteObjectFailed(
                key=key, reason=self._reason(error, "object")
            ) from error

    def stored_size(self, key: str) -> int | None:
        try:
            return self._objects.size(key)
        except CallFailed as error:
            raise exception.BankGetObjectFailed(
                key=key, reason=self._reason(error, "object")
            ) from error

    def lock_object(self, key: str, until: datetime.datetime) -> None:
        if until.tzinfo is None:
            raise exception.InvalidParameterValue(
                err=f"An object is locked until an aware moment, not until {until}"
            )
        try:
            refusal = self._bucket.cannot_lock
            if refusal is not None:
                raise exception.BankLockNotSupported(key=key, reason=refusal)
            self._locks.lock(self._names.name(key), until)
        except CallFailed as error:
            raise exception.BankLockObjectFailed(
                key=key, reason=self._reason(error, "object")
            ) from error
        except locks.CannotLock as error:
            raise exception.BankLockObjectFailed(key=key, reason=str(error)) from error

    def locked_until(self, key: str) -> datetime.datetime | None:
        try:
            if self._bucket.cannot_lock is not None:
                return None
            return self._locks.retention(self._names.name(key)).until
        except CallFailed as error:
            raise exception.BankGetObjectFailed(
                key=key, reason=self._reason(error, "object")
            ) from error

    def get_owner_id(self, context: RequestContext | None = None) -> str:
        return self._owner_id

    def acquire_lease(self) -> None:
        self._write_lease()

    def renew_lease(self) -> None:
        self._write_lease()

    def check_lease_validity(self) -> bool:
        return self._own_lease.is_valid()

    def check_lease_existence(self, owner_id: str) -> bool:
        left = self._seconds_left(leases.LEASES + keys.validate_part(owner_id))
        return left is not None and left > 0

    def release_lease(self) -> None:
        """Give the lease up, so that others know at once that the owner is gone.

        :raises BankDeleteObjectFailed: when the lease cannot be deleted; it expires
        """
        self._own_lease.forget()
        key = leases.LEASES + self._owner_id
        try:
            self._lease_objects.delete(key)
        except CallFailed as error:
            if error.http_status != _NOT_FOUND:
                raise exception.BankDeleteObjectFailed(
                    key=key, reason=str(error)
                ) from error
            LOG.debug("The lease of owner %s was already gone.", self._owner_id)

    def _write_lease(self) -> None:
        began = leases.now()
        lease = {"owner_id": self._owner_id, "expire_window": self.lease_expire_window}
        try:
            self._lease_objects.put(
                leases.LEASES + self._owner_id, values.encode(lease)
            )
        except CallFailed as error:
            raise exception.AcquireLeaseFailed(
                reason=self._reason(error, "bucket")
            ) from error
        self._own_lease.written(began)
        self._clean_leases(began)

    def _clean_leases(self, now: float) -> None:
        """Delete leases that expired long ago, now and then.

        Long ago, so that no lease is deleted whose owner is just late to renew it.
        """
        if now - self._leases_cleaned < self.lease_expire_window:
            return
        self._leases_cleaned = now
        try:
            for key in self.list_objects(prefix=leases.LEASES):
                left = self._seconds_left(key)
                if left is not None and left < -self.lease_expire_window:
                    self.delete_object(key)
        except exception.BankException as error:
            LOG.warning("Expired leases could not be cleaned up: %s", error)

    def _seconds_left(self, key: str) -> float | None:
        """For how long a lease is good, by the store's clock; None: there is none.

        The store says when it was written and what time it is now: no other clock
        counts.

        :raises BankGetObjectFailed: when it cannot be read
        """
        try:
            found, content = self._lease_objects.get(key)
            window = float(json.loads(content)["expire_window"])
            headers = found["ResponseMetadata"]["HTTPHeaders"]
            date = email.utils.parsedate_to_datetime(headers["date"])
            written: datetime.datetime = found["LastModified"]
        except CallFailed as error:
            if error.http_status == _NOT_FOUND:
                return None
            raise exception.BankGetObjectFailed(key=key, reason=str(error)) from error
        except (ValueError, TypeError, KeyError) as error:
            raise exception.BankGetObjectFailed(
                key=key, reason=f"it is no lease, or its answer has no date: {error!r}"
            ) from error
        return window - (date - written).total_seconds()

    def _reason(self, error: CallFailed, missing: str) -> str:
        """What to tell.

        :param missing: what a 404 says is not there
        """
        if error.http_status != _NOT_FOUND:
            return str(error)
        if missing == "object":
            return f"there is no such object in the bucket '{self._bucket.name}'"
        return f"the bucket '{self._bucket.name}' is gone: {error}"


def _locked(key: str, error: locks.ObjectIsLocked) -> exception.BankObjectLocked:
    return exception.BankObjectLocked(
        key=key, until=error.until.isoformat(timespec="seconds")
    )
