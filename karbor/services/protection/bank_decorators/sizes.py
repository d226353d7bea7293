# SPDX-License-Identifier: Apache-2.0
"""How big a value is."""

import json
from typing import Any


def size_of(value: Any) -> int:
    """Bytes of a value in a bank: as they are, in UTF-8, or as JSON.

    What JSON cannot say counts as its text; the bank refuses it.
    """
    if isinstance(value, memoryview):
        return value.nbytes
    if isinstance(value, bytes | bytearray):
        return len(value)
    if isinstance(value, str):
        if value.isascii():
            return len(value)
        return len(value.encode("utf-8", "surrogatepass"))
    return len(json.dumps(value, default=str))
