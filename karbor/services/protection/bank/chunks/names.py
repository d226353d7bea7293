# SPDX-License-Identifier: Apache-2.0
"""The names of chunk objects.

A name is ``<digest>.<stored length>.<suffix>``: what the chunk holds, how many bytes
the object has, and twelve random digits, so that no two attempts to store a chunk
ever write one object. Who deletes an object therefore deletes what it has seen, and
never what somebody has stored since.
"""

import dataclasses
import re
import secrets

#: The folder of a chunk space that has the objects.
DATA = "data/"

# 48 random bits: among a million objects with one digest, of which there are one or
# two, two have the same name with a chance of 1 to 500.
_SUFFIX_BYTES = 6
_FOLDER_DIGITS = 3
_NAME = re.compile(r"([0-9a-f]{64})\.(0|[1-9a-f][0-9a-f]{0,15})\.([0-9a-f]{12})")


class NameInvalid(ValueError):
    """A text that is no name of a chunk object."""


@dataclasses.dataclass(frozen=True, slots=True)
class ChunkName:
    """What a name says.

    :param digest: hex, of the chunk
    :param stored_length: bytes of the object
    """

    digest: str
    stored_length: int


def make(digest: str, stored_length: int) -> str:
    """A name that no object has, for one that is to be stored."""
    return f"{digest}.{stored_length:x}.{secrets.token_hex(_SUFFIX_BYTES)}"


def parse(name: str) -> ChunkName:
    """What a name says.

    :raises NameInvalid: when it is none
    """
    found = _NAME.fullmatch(name)
    if found is None:
        raise NameInvalid(f"{name[:100]!r} is not the name of a chunk")
    return ChunkName(found[1], int(found[2], 16))


def folder(name: str) -> str:
    """The folder of a chunk space that has the object of a name, or of a digest.

    Objects are spread over 4096 folders, so that looking one up among ten million,
    40 TiB of chunks of 4 MiB, reads a folder of 2,500 where a bank keeps folders.
    """
    return f"{DATA}{name[:_FOLDER_DIGITS]}/"


def key(name: str) -> str:
    """Where the object of a name is in its chunk space."""
    return folder(name) + name


def prefix(digest: str) -> str:
    """What the keys of all objects with a digest begin with, and no others."""
    return f"{folder(digest)}{digest}."


def from_key(found: str) -> str:
    """The name of an object, from its key in the chunk space.

    :raises NameInvalid: when no chunk can have that key
    """
    name = found.rpartition("/")[2]
    parse(name)
    if key(name) != found:
        raise NameInvalid(f"{found[:100]!r} is not where a chunk is")
    return name
