# SPDX-License-Identifier: Apache-2.0
"""S3's Object Lock: dates before which a version of an object is not deleted.

The store keeps the dates and enforces them, for versions: whoever deletes or replaces
a locked object without saying which version makes a newer one, and the locked one stays
behind it. So the bank asks for the date first, and refuses by itself what would hide
what is locked. The store's clock decides; dates are whole seconds. See
https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html.
"""

import dataclasses
import datetime
import email.utils
from collections.abc import Mapping
from typing import Any

import botocore.exceptions

from karbor.services.protection.bank_plugins.object_store.attempts import (
    Attempts,
    CallFailed,
)

GOVERNANCE = "governance"
COMPLIANCE = "compliance"

# What a store answers that knows the question, and has no lock on the bucket.
_NO_LOCK = ("ObjectLockConfigurationNotFoundError", "ObjectLockConfigurationNotFound")
_FORBIDDEN = 403


class ObjectIsLocked(Exception):
    """An object may not be changed before a date.

    :param until: aware
    """

    def __init__(self, until: datetime.datetime) -> None:
        super().__init__(f"it is locked until {until.isoformat()}")
        self.until = until


class CannotLock(Exception):
    """The bucket has no use for dates; the text says why."""


@dataclasses.dataclass(frozen=True)
class Retention:
    """Until when an object is kept.

    :param until: None when it is not locked
    :param mode: None likewise
    :param now: the store's clock, when it was asked
    """

    until: datetime.datetime | None
    mode: str | None
    now: datetime.datetime

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> "Retention":
        """As an answer to HEAD or GET of an object tells."""
        date = found["ResponseMetadata"]["HTTPHeaders"].get("date")
        return cls(
            found.get("ObjectLockRetainUntilDate"),
            found.get("ObjectLockMode"),
            email.utils.parsedate_to_datetime(date)
            if date
            else datetime.datetime.now(datetime.UTC),
        )

    def check(self) -> None:
        """:raises ObjectIsLocked: when the date has not come yet"""
        if self.until is not None and self.until > self.now:
            raise ObjectIsLocked(self.until)


def why_not(client: Any, bucket: str) -> str | None:
    """Why objects of a bucket cannot be locked; None when they can.

    :param client: of boto3
    :raises ClientError: when the store could not be asked
    """
    try:
        answer = client.get_object_lock_configuration(Bucket=bucket)
    except botocore.exceptions.ClientError as error:
        status = int(error.response["ResponseMetadata"]["HTTPStatusCode"])
        if status >= 500 and status != 501:
            raise
        code = error.response.get("Error", {}).get("Code", "")
        if status == _FORBIDDEN:
            return (
                f"the store does not tell whether the bucket '{bucket}' has object "
                "lock: the bank's user lacks s3:GetBucketObjectLockConfiguration"
            )
        if code in _NO_LOCK:
            return f"the bucket '{bucket}' was made without object lock"
        return f"the store has no object lock (it answered {status} {code})"
    found = answer.get("ObjectLockConfiguration", {})
    if found.get("ObjectLockEnabled") != "Enabled":
        return f"the bucket '{bucket}' was made without object lock"
    if found.get("Rule"):
        return (
            f"the bucket '{bucket}' has a default retention, which locks leases and "
            "listings as well; take it away, and let Karbor lock what is to be kept"
        )
    return None


class BucketLocks:
    """The dates of a bucket's objects. Safe from many threads at once.

    :param client: of boto3
    :param mode: ``governance`` or ``compliance``, for what is not locked yet
    """

    def __init__(self, client: Any, bucket: str, attempts: Attempts, mode: str) -> None:
        self._client = client
        self._bucket = bucket
        self._attempts = attempts
        self._mode = mode.upper()
        self._is_proved = False

    def retention(self, name: str) -> Retention:
        """What the store says of an object.

        :raises CallFailed: when it is not there, or the store cannot be asked
        """
        return Retention.of(
            self._attempts.call(
                lambda: self._client.head_object(Bucket=self._bucket, Key=name)
            )
        )

    def lock(self, name: str, until: datetime.datetime) -> None:
        """Lock an object until a date, unless it is locked for longer already.

        :param until: aware; rounded up to a whole second
        :raises CallFailed: when it is not there, or the store refuses
        :raises CannotLock: when the store takes the date and does not tell it again
        """
        until = _whole_seconds(until)
        found = self.retention(name)
        if until <= found.now or (found.until is not None and found.until >= until):
            return
        # The mode is never weakened.
        mode = COMPLIANCE.upper() if found.mode == COMPLIANCE.upper() else self._mode
        try:
            self._attempts.call(
                lambda: self._client.put_object_retention(
                    Bucket=self._bucket,
                    Key=name,
                    Retention={"Mode": mode, "RetainUntilDate": until},
                )
            )
        except CallFailed as error:
            # Stores refuse to shorten: another may have locked it for longer.
            if error.http_status != _FORBIDDEN or not self._is_kept(name, until):
                raise
        if not self._is_proved:
            if self.retention(name).until is None:
                raise CannotLock(
                    "the store took the date and does not tell it: the bank's user "
                    "needs s3:GetObjectRetention as well as s3:PutObjectRetention"
                )
            self._is_proved = True

    def _is_kept(self, name: str, until: datetime.datetime) -> bool:
        found = self.retention(name).until
        return found is not None and found >= until


def _whole_seconds(moment: datetime.datetime) -> datetime.datetime:
    if moment.microsecond:
        moment += datetime.timedelta(seconds=1)
    return moment.astimezone(datetime.UTC).replace(microsecond=0)
