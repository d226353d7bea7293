# SPDX-License-Identifier: Apache-2.0
"""Objects in a bucket by their keys: put, got, deleted and listed, and checked."""

import base64
import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any

from karbor.services.protection.bank_plugins.object_store import values
from karbor.services.protection.bank_plugins.object_store.attempts import (
    Attempts,
    CallFailed,
    TryAgain,
)
from karbor.services.protection.bank_plugins.object_store.names import (
    Names,
    is_written_once,
)
from karbor.services.protection.bank_plugins.s3 import listing
from karbor.services.protection.bank_plugins.s3.bucket import Bucket
from karbor.services.protection.bank_plugins.s3.locks import BucketLocks, Retention

# Metadata of an object: what its body is, and its MD5 in hex. The ETag is the MD5 only
# where the store does not encrypt.
_KIND = "karbor-value"
_MD5 = "karbor-md5"
# Karbor 1.x: whether the body is JSON.
_OLD_JSON = "x-object-meta-serialized"
_PAGE = 1000
_NOT_FOUND = 404
# It is there, or the store knows no such condition.
_CONDITION_FAILED = frozenset({412, 501})
_IS_MD5 = re.compile(r"[0-9a-f]{32}").fullmatch


class Objects:
    """The objects of a bank. Safe from many threads at once.

    Every method may raise ``CallFailed``.

    :param client: of boto3
    """

    def __init__(
        self, client: Any, bucket: Bucket, names: Names, attempts: Attempts
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._names = names
        self._attempts = attempts

    def put(self, key: str, body: values.Body) -> None:
        """Create or replace an object, whether it is locked or not."""
        self._put(key, body)

    def put_unless_locked(
        self, key: str, body: values.Body, locks: BucketLocks
    ) -> None:
        """Create or replace an object.

        Where objects may be locked, what is written once is put at once, if it is not
        there yet: this spares each chunk a request.

        :raises ObjectIsLocked: when the object must not be replaced
        """
        if self._bucket.cannot_lock is None:
            if is_written_once(key):
                try:
                    self._put(key, body, IfNoneMatch="*")
                    return
                except CallFailed as error:
                    if error.http_status not in _CONDITION_FAILED:
                        raise
            try:
                locks.retention(self._names.name(key)).check()
            except CallFailed as error:
                if error.http_status != _NOT_FOUND:
                    raise
        self._put(key, body)

    def get(self, key: str) -> tuple[dict[str, Any], bytes]:
        """What the store says of an object, and its bytes, which were checked."""

        def get() -> tuple[dict[str, Any], bytes]:
            found = self._client.get_object(
                Bucket=self._bucket.name, Key=self._names.name(key)
            )
            with found["Body"] as stream:
                content = stream.read()
            _check(found, content)
            return found, content

        return self._call(get)

    def size(self, key: str) -> int | None:
        """Bytes of a value that is bytes; None for any other."""
        found = self._call(
            lambda: self._client.head_object(
                Bucket=self._bucket.name, Key=self._names.name(key)
            )
        )
        if _metadata(found).get(_KIND) != values.BYTES:
            return None
        return int(found["ContentLength"])

    def delete(self, key: str) -> None:
        """Delete an object. S3 does not tell whether there was one.

        :raises ObjectIsLocked: when the object must not be deleted
        """
        where = {"Bucket": self._bucket.name, "Key": self._names.name(key)}
        found = self._call(lambda: self._client.head_object(**where))
        if self._bucket.cannot_lock is None:
            Retention.of(found).check()
        try:
            self._call(lambda: self._client.delete_object(**where))
        except CallFailed as error:
            # An attempt before has deleted it, and its answer was lost.
            if not (error.http_status == _NOT_FOUND and error.maybe_done):
                raise

    def list(
        self, prefix: str, marker: str | None, limit: int | None, backwards: bool
    ) -> list[str]:
        """Keys in the order asked for.

        :param prefix: of names
        :param marker: a name; see :meth:`Names.page`
        """
        # Bisection has use for whole pages only.
        size = _PAGE if limit is None or backwards else min(limit, _PAGE)

        def fetch(after: str | None) -> tuple[list[str], bool]:
            start = {} if after is None else {"StartAfter": after}
            answer = self._call(
                lambda: self._client.list_objects_v2(
                    Bucket=self._bucket.name, Prefix=prefix, MaxKeys=size, **start
                )
            )
            names = [entry["Key"] for entry in answer.get("Contents", ())]
            return names, bool(answer.get("IsTruncated") and names)

        def of_keys(names: Iterator[str]) -> Iterator[str]:
            return filter(None, map(self._names.key, names))

        if not backwards:
            found = of_keys(listing.ascending(fetch, marker))
            return [*itertools.islice(found, limit)]
        if limit is not None:
            found = of_keys(listing.descending(fetch, prefix, marker))
            return [*itertools.islice(found, limit)]
        until = itertools.takewhile(
            lambda name: marker is None or name < marker,
            listing.ascending(fetch, None),
        )
        return [*of_keys(until)][::-1]

    def _put(self, key: str, body: values.Body, **condition: str) -> None:
        digest = body.md5

        def put() -> None:
            answer = self._client.put_object(
                Bucket=self._bucket.name,
                Key=self._names.name(key),
                Body=body.content,
                ContentType=body.content_type,
                ContentMD5=base64.b64encode(bytes.fromhex(digest)).decode(),
                Metadata={_KIND: body.kind, _MD5: digest},
                **condition,
            )
            # Some stores do not check what they get.
            etag = answer.get("ETag", "").strip('"')
            is_encrypted = "ServerSideEncryption" in answer
            if _IS_MD5(etag) and etag != digest and not is_encrypted:
                raise TryAgain(f"it was damaged on its way: its ETag became {etag}")

        self._call(put)

    def _call(self, attempt: Callable[[], Any]) -> Any:
        self._bucket.ensure()
        return self._attempts.call(attempt)


def value(found: dict[str, Any], content: bytes) -> Any:
    """The value of an object.

    :param found: what the store says of it
    :raises ValueDamaged: when its bytes are not what the store says
    """
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
