# SPDX-License-Identifier: Apache-2.0
"""The bucket of a bank: made when it is missing, and asked once what it can do."""

import threading
import uuid
from typing import Any

import botocore.exceptions
from oslo_log import log as logging

from karbor.services.protection.bank_plugin import BankCapabilities
from karbor.services.protection.bank_plugins.object_store.attempts import (
    Attempts,
    CallFailed,
)
from karbor.services.protection.bank_plugins.object_store.names import Names
from karbor.services.protection.bank_plugins.s3 import locks, probe

LOG = logging.getLogger(__name__)

_NOT_FOUND = 404
# Of a bucket with object lock, which keeps every old version of every object: leases
# alone leave hundreds a day. A version that is locked stays for as long as it is.
_CLEANING = {
    "Rules": [
        {
            "ID": "karbor-old-versions",
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
            "Expiration": {"ExpiredObjectDeleteMarker": True},
        }
    ]
}


class Bucket:
    """One bucket. Safe from many threads at once.

    :param client: of boto3
    :param with_locks: make it with object lock
    """

    def __init__(
        self,
        client: Any,
        name: str,
        region: str,
        attempts: Attempts,
        *,
        with_locks: bool = False,
    ) -> None:
        self.name = name
        self._client = client
        self._region = region
        self._attempts = attempts
        self._with_locks = with_locks
        self._first_use = threading.Lock()
        self._is_there = False
        self._cannot_lock: str | None = None
        self._capabilities: BankCapabilities | None = None

    @property
    def cannot_lock(self) -> str | None:
        """Why its objects cannot be locked; None when they can.

        :raises CallFailed: when the store cannot be asked
        """
        self.ensure()
        return self._cannot_lock

    def capabilities(self, names: Names) -> BankCapabilities:
        """What the store can do; found out once, by writing an object.

        :raises CallFailed: when the store cannot be asked
        """
        self.ensure()
        with self._first_use:
            if self._capabilities is None:
                name = names.name(f"/.karbor-probe-{uuid.uuid4().hex}")
                self._capabilities = self._attempts.call(
                    lambda: probe.capabilities(
                        self._client,
                        self.name,
                        name,
                        object_lock=self._cannot_lock is None,
                    )
                )
            return self._capabilities

    def ensure(self) -> None:
        """Make the bucket when this is the first use, and it is not there.

        :raises CallFailed: when it cannot be made
        """
        if self._is_there:
            return
        with self._first_use:
            if self._is_there:
                return
            try:
                self._attempts.call(lambda: self._client.head_bucket(Bucket=self.name))
            except CallFailed as error:
                if error.http_status != _NOT_FOUND:
                    raise
                self._attempts.call(self._make)
                LOG.info("Made the bucket '%s'.", self.name)
            self._cannot_lock = self._attempts.call(
                lambda: locks.why_not(self._client, self.name)
            )
            if self._with_locks and self._cannot_lock is not None:
                LOG.warning("No object will be locked: %s.", self._cannot_lock)
            self._is_there = True

    def _make(self) -> None:
        options: dict[str, Any] = {}
        if self._region != "us-east-1":
            # AWS refuses to be told the region that it takes by itself.
            options["CreateBucketConfiguration"] = {"LocationConstraint": self._region}
        if self._with_locks:
            options["ObjectLockEnabledForBucket"] = True
        try:
            self._client.create_bucket(Bucket=self.name, **options)
        except self._client.exceptions.BucketAlreadyOwnedByYou:
            LOG.debug("Another service has made the bucket '%s'.", self.name)
            return
        if self._with_locks:
            self._clean_old_versions()

    def _clean_old_versions(self) -> None:
        try:
            self._client.put_bucket_lifecycle_configuration(
                Bucket=self.name, LifecycleConfiguration=_CLEANING
            )
        except botocore.exceptions.ClientError as error:
            LOG.warning(
                "The bucket '%s' keeps every old version of every object, and no rule "
                "against that could be set: %s. Delete noncurrent versions that are "
                "older than a day in another way.",
                self.name,
                error,
            )
