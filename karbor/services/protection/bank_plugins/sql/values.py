# SPDX-License-Identifier: Apache-2.0
"""How a value is written in a row: its kind, and its content as bytes."""

import json
from typing import Any

BYTES = 1
TEXT = 2
JSON = 3

# A str of Python may have what UTF-8 alone cannot write, such as a file name of
# another encoding.
_SURROGATES = "surrogatepass"


class ValueDamaged(ValueError):
    """A row's content is not what its kind says; the text says how."""


def encode(value: Any) -> tuple[int, memoryview]:
    """Kind and content of a value; bytes-like values are not copied.

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


def decode(kind: int, content: bytes) -> Any:
    """The value of a row.

    :raises ValueDamaged: when the content is not what the kind says
    """
    try:
        if kind == BYTES:
            return content
        if kind == TEXT:
            return content.decode("utf-8", _SURROGATES)
        if kind == JSON:
            return json.loads(content)
    except ValueError as error:
        raise ValueDamaged(f"its content is not of its kind: {error}") from error
    raise ValueDamaged(
        f"its kind is {kind}, which this release does not know; use the release that "
        "wrote it or a later one"
    )
