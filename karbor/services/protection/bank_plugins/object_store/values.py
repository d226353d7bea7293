# SPDX-License-Identifier: Apache-2.0
"""Values of a bank as bodies of objects.

Metadata of the object says what its body is: ``bytes`` as they are, a ``str`` in
UTF-8, or JSON. Karbor 1.x wrote JSON and text with metadata of its own.
"""

import dataclasses
import hashlib
import json
from typing import Any

BYTES = "bytes"
TEXT = "text"
JSON = "json"

CONTENT_TYPES = {
    BYTES: "application/octet-stream",
    TEXT: "text/plain; charset=utf-8",
    JSON: "application/json",
}

# A str of Python may have what UTF-8 alone cannot write, such as a file name of
# another encoding.
_SURROGATES = "surrogatepass"


class ValueDamaged(ValueError):
    """A body does not agree with its metadata; the text says how."""


@dataclasses.dataclass(frozen=True)
class Body:
    """A value as it is put.

    :param kind: a key of :data:`CONTENT_TYPES`
    :param content: the bytes
    """

    kind: str
    content: bytes

    @property
    def content_type(self) -> str:
        return CONTENT_TYPES[self.kind]

    @property
    def md5(self) -> str:
        """Hex digest: what object stores call the ETag."""
        return md5(self.content)


def md5(content: bytes) -> str:
    """Hex digest, against damage and not against anyone."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def encode(value: Any) -> Body:
    """The body of a value; takes a copy of what its owner may change.

    :raises TypeError: when JSON cannot say the value
    :raises ValueError: likewise
    """
    if isinstance(value, bytes | bytearray | memoryview):
        return Body(BYTES, bytes(value))
    if isinstance(value, str):
        return Body(TEXT, value.encode("utf-8", _SURROGATES))
    return Body(JSON, json.dumps(value).encode("ascii"))


def decode(kind: str | None, content: bytes, *, is_old_json: bool = False) -> Any:
    """The value of a body.

    :param kind: as the metadata says; None when it does not
    :param is_old_json: without a kind: whether it is marked as JSON
    :raises ValueDamaged: when the body is not what the metadata says
    """
    try:
        if kind == BYTES:
            return content
        if kind == TEXT:
            return content.decode("utf-8", _SURROGATES)
        if kind == JSON or (kind is None and is_old_json):
            return json.loads(content)
    except ValueError as error:
        raise ValueDamaged(
            f"its content does not agree with its metadata: {error}"
        ) from error
    if kind is not None:
        raise ValueDamaged(f"it is of an unknown kind {kind!r}")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content
