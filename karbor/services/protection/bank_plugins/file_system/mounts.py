# SPDX-License-Identifier: Apache-2.0
"""Whether a folder is on a filesystem of this machine alone."""

import os
import re

_MOUNTS = "/proc/self/mountinfo"

#: Filesystems of a local disk or of memory, as Linux names them. What is not named,
#: such as nfs4, ceph, fuse or 9p, may be changed by other machines.
_LOCAL = frozenset(
    {
        "bcachefs",
        "btrfs",
        "ext2",
        "ext3",
        "ext4",
        "f2fs",
        "jfs",
        "overlay",
        "ramfs",
        "tmpfs",
        "xfs",
        "zfs",
    }
)
_OCTAL = re.compile(rb"\\([0-7]{3})")


def is_local(path: bytes, mounts: str = _MOUNTS) -> bool:
    """Whether only this machine can change what is in a folder.

    False also when that cannot be found out, as where there is no ``/proc``.

    :param path: absolute; must exist
    :param mounts: the table of mounts, as proc_pid_mountinfo(5) describes it
    """
    try:
        with open(mounts, "rb") as file:
            lines = file.read().splitlines()
    except OSError:
        return False
    wanted = os.path.realpath(path)
    found = (b"", "")
    for line in lines:
        head, separator, tail = line.partition(b" - ")
        fields = head.split(b" ")
        if not separator or len(fields) < 5:
            continue
        point = _OCTAL.sub(lambda code: bytes([int(code[1], 8)]), fields[4])
        is_above = wanted == point or wanted.startswith(point.rstrip(b"/") + b"/")
        # Of two mounts at one place the later one hides the other.
        if is_above and len(point) >= len(found[0]):
            found = (point, tail.split(b" ")[0].decode("ascii", "replace"))
    return found[1] in _LOCAL
