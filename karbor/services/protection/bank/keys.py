# SPDX-License-Identifier: Apache-2.0
"""What a key of a bank may look like.

A key is ``/part/part/…``. The rules keep every key usable as a path of a
filesystem and as a name in an object store, and make it impossible to name
something outside of a section: there is no way to write "up", "here" or
"nothing" in a key.
"""

import re

from karbor import exception

#: Bytes in UTF-8; the limit of an object's name in Swift (``max_object_name_length``).
MAX_KEY_BYTES = 1024
#: Bytes in UTF-8; NAME_MAX of the filesystems of Linux.
MAX_PART_BYTES = 255

_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SHOWN_CHARACTERS = 80


def validate(key: str) -> str:
    """Check a key of a bank.

    :param key: begins with ``/``
    :returns: the key, unchanged
    :raises InvalidParameterValue: naming the key and what is wrong with it
    """
    _check_text(key)
    if not key.startswith("/"):
        raise _refused(key, "a key of a bank begins with '/'")
    _check_parts(key, key[1:].split("/"))
    return key


def validate_relative(key: str) -> str:
    """Check a key inside a section: as a key of a bank, without the leading ``/``.

    :returns: the key, unchanged
    :raises InvalidParameterValue: naming the key and what is wrong with it
    """
    _check_text(key)
    if key.startswith("/"):
        raise _refused(key, "a key in a section does not begin with '/'")
    _check_parts(key, key.split("/"))
    return key


def validate_relative_prefix(prefix: str) -> str:
    """Check what keys inside a section are asked to begin with, or to come after.

    As a relative key, but may be empty or end with ``/``.

    :returns: the prefix, unchanged
    :raises InvalidParameterValue: naming the prefix and what is wrong with it
    """
    if prefix == "":
        return prefix
    _check_text(prefix)
    if prefix.startswith("/"):
        raise _refused(
            prefix, "a prefix or marker in a section does not begin with '/'"
        )
    parts = prefix.split("/")
    if parts[-1] == "":
        parts.pop()
    _check_parts(prefix, parts)
    return prefix


def validate_part(part: str) -> str:
    """Check a name that becomes one part of a key.

    :returns: the part, unchanged
    :raises InvalidParameterValue: naming the part and what is wrong with it
    """
    _check_text(part)
    if "/" in part:
        raise _refused(part, "a name may not contain '/'")
    _check_parts(part, [part])
    return part


def normalize_section(section: str) -> str:
    """The prefix of a section as ``part/part/``, without leading ``/``.

    Callers of Karbor 1.x write ``/resource-data/x/``: one leading and one trailing
    ``/`` are taken off before the parts are checked.

    :raises InvalidParameterValue: naming the section and what is wrong with it
    """
    _check_text(section)
    bare = section.removeprefix("/").removesuffix("/")
    if not bare:
        raise _refused(section, "a section has a name")
    _check_parts(section, bare.split("/"))
    return bare + "/"


def _check_text(key: object) -> None:
    if not isinstance(key, str):
        raise exception.InvalidParameterValue(
            err=f"Invalid bank key: it is a {type(key).__name__}, not a str"
        )
    if not key:
        raise _refused(key, "it is empty")
    if _CONTROL_CHARACTERS.search(key):
        raise _refused(key, "it contains NUL or another control character")
    try:
        size = len(key.encode("utf-8"))
    except UnicodeEncodeError:
        raise _refused(key, "it cannot be written as UTF-8") from None
    if size > MAX_KEY_BYTES:
        raise _refused(key, f"it has {size} bytes, more than {MAX_KEY_BYTES}")


def _check_parts(key: str, parts: list[str]) -> None:
    for part in parts:
        if part == "":
            raise _refused(key, "it has an empty part: '//' or a '/' at the end")
        if part in (".", ".."):
            raise _refused(key, f"'{part}' may not be a part of it")
        # A character has at most four bytes in UTF-8, so most parts need no encoding.
        if len(part) * 4 > MAX_PART_BYTES:
            size = len(part.encode("utf-8"))
            if size > MAX_PART_BYTES:
                raise _refused(
                    key, f"a part of it has {size} bytes, more than {MAX_PART_BYTES}"
                )


def _refused(key: str, reason: str) -> exception.InvalidParameterValue:
    shown = repr(key[:_SHOWN_CHARACTERS])
    if len(key) > _SHOWN_CHARACTERS:
        shown += "…"
    return exception.InvalidParameterValue(err=f"Invalid bank key {shown}: {reason}")
