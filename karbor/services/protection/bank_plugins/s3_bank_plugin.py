# SPDX-License-Identifier: Apache-2.0
"""A bank in a bucket of a store that speaks S3.

The key ``/a/b`` is the object ``a/b``. What an object holds is told in
:mod:`.object_store.values`; what such stores promise, and how this plugin lives with
it, in ``doc/source/operator/banks.rst``.
"""

import base64
import datetime
import email.utils
import itertools
import json
import math
import re
import threading
import uuid
from collections.abc import Iterator
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
    TryAgain,
)
from karbor.services.protection.bank_plugins.object_store.names import Names
from karbor.services.protection.bank_plugins.s3 import client as s3_client
from karbor.services.protection.bank_plugins.s3 import listing, probe

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
    *LEASE_OPTS,
]
#: By group: what else the plugin reads.
OTHER_OPTS = {s3_client.GROUP: s3_client.OPTS}

# Metadata of an object: what its body is, and its MD5 in hex. The ETag is the MD5 only
# where the store does not encrypt.
_KIND = "karbor-value"
_MD5 = "karbor-md5"
# Karbor 1.x: whether the body is JSON.
_OLD_JSON = "x-object-meta-serialized"
_PAGE = 1000
_NOT_FOUND = 404
_IS_MD5 = re.compile(r"[0-9a-f]{32}").fullmatch
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
        self._bucket = options.bank_s3_object_bucket
        self._names = Names(options.bank_s3_object_prefix)
        client = config[s3_client.GROUP]
        self._region = client.s3_region
        # Of its own: boto3's default session is not safe to share.
        session = boto3.session.Session()
        self._client = s3_client.make_client(config, client.read_timeout, session)
        # A renewal that hangs must leave time for the next one.
        self._lease_client = s3_client.make_client(
            config, min(client.read_timeout, windows.renew / _LEASE_PART), session
        )
        self._attempts = Attempts(
            s3_client.S3Errors(), client.s3_retry_attempts, client.s3_retry_backoff
        )
        self._first_use = threading.Lock()
        self._bucket_is_there = False
        self._capabilities: BankCapabilities | None = None

    @property
    def capabilities(self) -> BankCapabilities:
        """What the store can do; asked of it once, by writing an object.

        :raises BankException: when the store cannot be asked
        """
        try:
            self._ensure_bucket()
            with self._first_use:
                if self._capabilities is None:
                    name = self._names.name(f"/.karbor-probe-{uuid.uuid4().hex}")
                    self._capabilities = self._attempts.call(
                        lambda: probe.capabilities(self._client, self._bucket, name)
                    )
                return self._capabilities
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
            self._put(self._client, self._names.name(key), body)
        except CallFailed as error:
            raise exception.BankUpdateObjectFailed(
                key=key, reason=self._reason(error, "bucket")
            ) from error

    def get_object(self, key: str, context: RequestContext | None = None) -> Any:
        try:
            found, content = self._get(self._client, self._names.name(key))
            return _value(found, content)
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
            self._ensure_bucket()
            return self._list(page.prefix, page.marker, limit, backwards)
        except CallFailed as error:
            raise exception.BankListObjectsFailed(
                reason=self._reason(error, "bucket")
            ) from error

    def delete_object(self, key: str, context: RequestContext | None = None) -> None:
        try:
            self._delete(self._client, self._names.name(key))
        except CallFailed as error:
            raise exception.BankDeleteObjectFailed(
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
            self._delete(self._lease_client, self._names.name(key))
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
            self._put(
                self._lease_client,
                self._names.name(leases.LEASES + self._owner_id),
                values.encode(lease),
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
            found, content = self._get(self._lease_client, self._names.name(key))
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
            return f"there is no such object in the bucket '{self._bucket}'"
        return f"the bucket '{self._bucket}' is gone: {error}"

    def _put(self, client: Any, name: str, body: values.Body) -> None:
        digest = body.md5

        def put() -> None:
            answer = client.put_object(
                Bucket=self._bucket,
                Key=name,
                Body=body.content,
                ContentType=body.content_type,
                ContentMD5=base64.b64encode(bytes.fromhex(digest)).decode(),
                Metadata={_KIND: body.kind, _MD5: digest},
            )
            # Some stores do not check what they get.
            etag = answer.get("ETag", "").strip('"')
            is_encrypted = "ServerSideEncryption" in answer
            if _IS_MD5(etag) and etag != digest and not is_encrypted:
                raise TryAgain(f"it was damaged on its way: its ETag became {etag}")

        self._ensure_bucket()
        self._attempts.call(put)

    def _get(self, client: Any, name: str) -> tuple[dict[str, Any], bytes]:
        def get() -> tuple[dict[str, Any], bytes]:
            found = client.get_object(Bucket=self._bucket, Key=name)
            with found["Body"] as stream:
                content = stream.read()
            _check(found, content)
            return found, content

        self._ensure_bucket()
        return self._attempts.call(get)

    def _delete(self, client: Any, name: str) -> None:
        """Delete an object. S3 does not tell whether there was one."""
        self._ensure_bucket()
        self._attempts.call(lambda: client.head_object(Bucket=self._bucket, Key=name))
        try:
            self._attempts.call(
                lambda: client.delete_object(Bucket=self._bucket, Key=name)
            )
        except CallFailed as error:
            # An attempt before has deleted it, and its answer was lost.
            if not (error.http_status == _NOT_FOUND and error.maybe_done):
                raise

    def _list(
        self, prefix: str, marker: str | None, limit: int | None, backwards: bool
    ) -> list[str]:
        # Bisection has use for whole pages only.
        size = _PAGE if limit is None or backwards else min(limit, _PAGE)

        def fetch(after: str | None) -> tuple[list[str], bool]:
            start = {} if after is None else {"StartAfter": after}
            answer = self._attempts.call(
                lambda: self._client.list_objects_v2(
                    Bucket=self._bucket, Prefix=prefix, MaxKeys=size, **start
                )
            )
            names = [entry["Key"] for entry in answer.get("Contents", ())]
            return names, bool(answer.get("IsTruncated") and names)

        def of_keys(names: Iterator[str]) -> Iterator[str]:
            return filter(None, map(self._names.key, names))

        if not backwards:
            found = of_keys(listing.ascending(fetch, marker))
            return list(itertools.islice(found, limit))
        if limit is not None:
            found = of_keys(listing.descending(fetch, prefix, marker))
            return list(itertools.islice(found, limit))
        until = itertools.takewhile(
            lambda name: marker is None or name < marker,
            listing.ascending(fetch, None),
        )
        return list(of_keys(until))[::-1]

    def _ensure_bucket(self) -> None:
        """Make the bucket when this is the first use, and it is not there."""
        if self._bucket_is_there:
            return
        with self._first_use:
            if self._bucket_is_there:
                return
            try:
                self._attempts.call(
                    lambda: self._client.head_bucket(Bucket=self._bucket)
                )
            except CallFailed as error:
                if error.http_status != _NOT_FOUND:
                    raise
                self._attempts.call(self._make_bucket)
                LOG.info("Made the bucket '%s'.", self._bucket)
            self._bucket_is_there = True

    def _make_bucket(self) -> None:
        where: dict[str, Any] = {}
        if self._region != "us-east-1":
            # AWS refuses to be told the region that it takes by itself.
            where["CreateBucketConfiguration"] = {"LocationConstraint": self._region}
        try:
            self._client.create_bucket(Bucket=self._bucket, **where)
        except self._client.exceptions.BucketAlreadyOwnedByYou:
            LOG.debug("Another service has made the bucket '%s'.", self._bucket)


def _value(found: dict[str, Any], content: bytes) -> Any:
    metadata = _metadata(found)
    old_json = metadata.get(_OLD_JSON, "").lower() == "true" or found.get(
        "ContentType", ""
    ).startswith("application/json")
    return values.decode(metadata.get(_KIND), content, is_old_json=old_json)


def _metadata(found: dict[str, Any]) -> dict[str, str]:
    return {name.lower(): value for name, value in found.get("Metadata", {}).items()}


def _check(found: dict[str, Any], content: bytes) -> None:
    """Compare an object with what the store says of it.

    :raises TryAgain: when they differ
    """
    length = found.get("ContentLength")
    if length is not None and length != len(content):
        raise TryAgain(f"only {len(content)} of its {length} bytes came")
    digest = _metadata(found).get(_MD5)
    if digest is not None and digest != values.md5(content):
        raise TryAgain(f"its bytes do not have their MD5 {digest}: it was damaged")
