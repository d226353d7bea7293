# SPDX-License-Identifier: Apache-2.0
"""How a value is written in a file.

Eight bytes say what the rest is: ``bytes`` as they are, or a ``str`` in UTF-8 or JSON
after a digest of both and of the object's key, so that no file can take another's
place. ``bytes`` have none here: they are chunks of streams, which have digests of
their own. A file that begins with none of these headers was written
by Karbor 1.x, which kept JSON, text and bytes alike without saying which.
"""

import hashlib
import json
from typing import Any

HEADER_SIZE = 8
# The first byte begins no UTF-8 text, so no JSON and no text of Karbor 1.x has it.
# The last bytes differ in more than one bit.
BYTES = b"\x93KARBOR\x01"
TEXT = b"\x93KARBOR\x02"
JSON = b"\x93KARBOR\x04"

_DIGEST_SIZE = 16
# With fewer bytes in common it is not our header with some bits flipped.
_ALIKE = 6

# A str of Python may have what UTF-8 alone cannot write, such as a file name of
# another encoding.
_SURROGATES = "surrogatepass"


class ValueDamaged(ValueError):
    """A file's content does not agree with its header; the text says how."""


def encode(value: Any, key: str) -> tuple[bytes, memoryview]:
    """Header and content of a value; bytes-like values are not copied.

    :param key: of the object
    :raises TypeError: when JSON cannot say the value
    :raises ValueError: likewise
    """
    if isinstance(value, bytes | bytearray | memoryview):
        view = memoryview(value)
        if not view.c_contiguous:
            view = memoryview(bytes(view))
        return BYTES, view.cast("B")
    if isinstance(value, str):
        kind, content = TEXT, value.encode("utf-8", _SURROGATES)
    else:
        kind, content = JSON, json.dumps(value).encode("ascii")
    return kind + _digest(kind, key, content), memoryview(content)


def decode(header: bytes, content: bytes, key: str) -> Any:
    """The value of a file.

    :param header: its first eight bytes, or all when it has fewer
    :param content: the rest
    :param key: of the object
    :raises ValueDamaged: when the content is not what the header says
    """
    if header == BYTES:
        return content
    if BYTES.startswith(header):
        raise ValueDamaged("it is empty, or cut within its header")
    if header not in (TEXT, JSON):
        if sum(map(int.__eq__, header, BYTES)) >= _ALIKE:
            raise ValueDamaged("its header is damaged")
        return _decode_old(header + content)
    digest, content = content[:_DIGEST_SIZE], content[_DIGEST_SIZE:]
    if digest != _digest(header, key, content):
        raise ValueDamaged("its digest is not that of its key and content")
    try:
        if header == TEXT:
            return content.decode("utf-8", _SURROGATES)
        return json.loads(content)
    except ValueError as error:
        raise ValueDamaged(
            f"its content does not agree with its header: {error}"
        ) from error


def _digest(kind: bytes, key: str, content: bytes) -> bytes:
    # No key has a NUL.
    whole = b"%b%b\0%b" % (kind, key.encode(), content)
    return hashlib.blake2b(whole, digest_size=_DIGEST_SIZE).digest()


def _decode_old(content: bytes) -> Any:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return content
    try:
        return json.loads(text)
    except ValueError:
        return text
