# SPDX-License-Identifier: Apache-2.0
"""What a checkpoint must hold: told by its id alone, so that nobody has to keep it.

Most of it is taken from a small pool of the project's, so that checkpoints share chunks
and pages, whichever process made them; the pool is large enough that at any time nobody
refers to some of it, so that it is collected, and stored again, and again.
"""

import functools
import hashlib
import random

#: Bytes of a block, and of a chunk.
BLOCK = 512
#: Blocks of a run, and chunks on a page.
RUN = 4
PROJECTS = ("project-a", "project-b")
RESOURCES = ("disk-1", "disk-2")
_RUNS = 40
_BLOCKS = 60
_MOST_RUNS = 4


@functools.cache
def _noise(name: str) -> bytes:
    return random.Random(name).randbytes(BLOCK)


@functools.cache
def _run(project_id: str, number: int) -> tuple[bytes, ...]:
    chance = random.Random(f"{project_id}/{number}")
    blocks = []
    for _ in range(RUN):
        match chance.randrange(10):
            case 0:
                blocks.append(bytes(BLOCK))
            case 1:
                # Kept inside of its page, as it compresses.
                blocks.append((b"%04d" % number * BLOCK)[:BLOCK])
            case _:
                blocks.append(_noise(f"{project_id}/{chance.randrange(_BLOCKS)}"))
    return tuple(blocks)


def blocks_of(project_id: str, checkpoint_id: str, resource_id: str) -> list[bytes]:
    """The content of one resource, in blocks; the last may be short, or none there."""
    name = f"{project_id}/{checkpoint_id}/{resource_id}"
    choices = hashlib.sha256(name.encode()).digest()
    blocks: list[bytes] = []
    for choice in choices[3 : 3 + choices[0] % (_MOST_RUNS + 1)]:
        blocks += _run(project_id, choice % _RUNS)
    if choices[1] % 4 == 0:
        blocks.append(random.Random(name).randbytes(BLOCK))
    blocks.append(_noise(f"{project_id}/{choices[2] % _BLOCKS}")[: choices[2]])
    return blocks


def content_of(project_id: str, checkpoint_id: str, resource_id: str) -> bytes:
    """The content of one resource."""
    return b"".join(blocks_of(project_id, checkpoint_id, resource_id))
