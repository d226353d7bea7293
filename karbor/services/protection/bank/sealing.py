# SPDX-License-Identifier: Apache-2.0
"""A JSON object that carries its own digest, so that damage to it is found.

The digest is sha256, in hexadecimal, of the object without it, as JSON with sorted
keys, no blanks and ASCII only.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

DIGEST = "digest"


class SealBroken(ValueError):
    """A sealed object is not what was written; the text says how."""


def text_of(value: Any) -> bytes:
    """What the digest of a JSON value whose keys are all text is made of."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return text.encode("ascii")


def digest_of(value: Any) -> str:
    """The digest of a JSON value whose keys are all text."""
    return hashlib.sha256(text_of(value)).hexdigest()


def seal(value: Mapping[str, Any]) -> dict[str, Any]:
    """The object with its digest, as JSON gives it back: tuples as lists, all keys
    as text."""
    plain: dict[str, Any] = json.loads(json.dumps(dict(value)))
    return {**plain, DIGEST: digest_of(plain)}


def unseal(value: Any) -> dict[str, Any]:
    """The object without its digest.

    :raises SealBroken: when there is none, or it is not that of the object
    """
    if not isinstance(value, Mapping):
        raise SealBroken(f"it holds a {type(value).__name__}, not a JSON object")
    plain = dict(value)
    digest = plain.pop(DIGEST, None)
    if digest != digest_of(plain):
        raise SealBroken("its digest is not that of its content")
    return plain
