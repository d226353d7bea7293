# SPDX-License-Identifier: Apache-2.0
"""Finding out what a store that speaks S3 can do."""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

import botocore.exceptions

from karbor.services.protection.bank_plugin import BankCapabilities

_PRECONDITION_FAILED = 412
# The header Server of stores whose documentation promises that a read or a listing sees
# every write before it.
_STRONG_SERVERS = ("AmazonS3", "MinIO", "Ceph")
# Swift's S3 interface takes conditions, and checks them before it writes: two at once
# may both succeed. Its answers have this header.
_SWIFT_HEADER = "x-trans-id"


def capabilities(
    client: Any, bucket: str, name: str, *, object_lock: bool
) -> BankCapabilities:
    """What a store can do, by trying.

    :param client: of boto3
    :param name: of an object to write; nothing else has it
    :param object_lock: whether objects of the bucket can be locked
    :raises ClientError: when the store could not be asked
    :raises BotoCoreError: likewise
    """
    answer = _put(client, bucket, name, b"karbor")
    try:
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        is_swift = _SWIFT_HEADER in headers
        creates = _is_refused(client, bucket, name, {"IfNoneMatch": "*"})
        other_etag = '"00000000000000000000000000000000"'
        swaps = _is_refused(client, bucket, name, {"IfMatch": other_etag})
        return BankCapabilities(
            atomic_create=creates and not is_swift,
            compare_and_swap=swaps and not is_swift,
            strong_read=_is_strong(headers) and not is_swift,
            object_lock=object_lock,
        )
    finally:
        client.delete_object(Bucket=bucket, Key=name)


def _put(client: Any, bucket: str, name: str, body: bytes, **condition: str) -> Any:
    # A bucket that locks whatever comes into it takes nothing without a digest.
    digest = hashlib.md5(body, usedforsecurity=False).digest()
    return client.put_object(
        Bucket=bucket,
        Key=name,
        Body=body,
        ContentMD5=base64.b64encode(digest).decode(),
        **condition,
    )


def _is_refused(client: Any, bucket: str, name: str, condition: Any) -> bool:
    """Whether the store knows a condition, which does not hold."""
    try:
        _put(client, bucket, name, b"other", **condition)
    except botocore.exceptions.ClientError as error:
        status = _status(error)
        if status >= 500 and status != 501:
            raise
        return status == _PRECONDITION_FAILED
    return False


def _is_strong(headers: Mapping[str, str]) -> bool:
    return headers.get("server", "").startswith(_STRONG_SERVERS)


def _status(error: botocore.exceptions.ClientError) -> int:
    return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
