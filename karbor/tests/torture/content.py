# SPDX-License-Identifier: Apache-2.0
"""What a checkpoint must hold: told by its id alone, so that nobody has to keep it.

Most blocks are taken from a small pool of the project's, so that checkpoints share
most of what they keep, whichever process made them.
"""

import functools
import hashlib
import random

#: Bytes of a block, and of a chunk: more than is kept inside of a page.
BLOCK = 6000
PROJECTS = ("project-a", "project-b")
RESOURCES = ("disk-1", "disk-2")
_POOL = 24
_MOST_BLOCKS = 10


@functools.cache
def _noise(name: str, length: int = BLOCK) -> bytes:
    return random.Random(name).randbytes(length)


def blocks_of(project_id: str, checkpoint_id: str, resource_id: str) -> list[bytes]:
    """The content of one resource, in blocks; the last may be short, or none there."""
    name = f"{project_id}/{checkpoint_id}/{resource_id}"
    choices = hashlib.sha256(name.encode()).digest()
    blocks = []
    for choice in choices[2 : 2 + choices[0] % (_MOST_BLOCKS + 1)]:
        match choice % 16:
            case 0:
                blocks.append(bytes(BLOCK))
            case 1:
                blocks.append(f"{choice:06}".encode() * (BLOCK // 6))
            case 2:
                blocks.append(random.Random(f"{name}/{choice}").randbytes(BLOCK))
            case _:
                blocks.append(_noise(f"{project_id}/{choice % _POOL}"))
    blocks.append(_noise(f"{project_id}/tail", choices[1]))
    return blocks


def content_of(project_id: str, checkpoint_id: str, resource_id: str) -> bytes:
    """The content of one resource."""
    return b"".join(blocks_of(project_id, checkpoint_id, resource_id))
