# SPDX-License-Identifier: Apache-2.0
"""How a value is written in a file.

Eight bytes say what the rest is: ``bytes`` as they are, a ``str`` in UTF-8, or JSON.
A file that begins with none of these headers was written by Karbor 1.x, which kept
JSON, text and bytes alike without saying which.
"""

import json
from typing import Any

HEADER_SIZE = 8
# The first byte begins no UTF-8 text, so no JSON and no text of Karbor 1.x has it.
# The last bytes differ in more than one bit.
BYTES = b"\x93KARBOR\x01"
TEXT = b"\x93KARBOR\x02"
JSON = b"\x93KARBOR\x04"

# A str of Python may have what UTF-8 alone cannot write, such as a file name of
# another encoding.
_SURROGATES = "surrogatepass"


class ValueDamaged(ValueError):
    """A file's content does not agree with its header; the text says how."""


def encode(value: Any) -> tuple[bytes, memoryview]:
    """Header and content of a value; bytes-like values are not copied.

    :raises TypeError: when JSON cannot say the value
    :raises ValueError: likewise
    """
    if isinstance(value, bytes | bytearray | memoryview):
        view = memoryview(value)
        if not view.c_contiguous:
            view = memoryview(bytes(view))
        return BYTES, view.cast("B")
    if isinstance(value, str):
        return TEXT, memoryview(value.encode("utf-8", _SURROGATES))
    return JSON, memoryview(json.dumps(value).encode("ascii"))


def decode(header: bytes, content: bytes) -> Any:
    """The value of a file.

    :param header: its first eight bytes, or all when it has fewer
    :param content: the rest
    :raises ValueDamaged: when the content is not what the header says
    """
    try:
        if header == BYTES:
            return content
        if header == TEXT:
            return content.decode("utf-8", _SURROGATES)
        if header == JSON:
            return json.loads(content)
    except ValueError as error:
        raise ValueDamaged(
            f"its content does not agree with its header: {error}"
        ) from (error)
    return _decode_old(header + content)


def _decode_old(content: bytes) -> Any:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return content
    try:
        return json.loads(text)
    except ValueError:
        return text
