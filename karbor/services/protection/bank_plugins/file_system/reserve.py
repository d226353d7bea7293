# SPDX-License-Identifier: Apache-2.0
"""Space kept back, so that a full filesystem can still be cleared by Karbor."""

import contextlib
import os

from oslo_log import log as logging

LOG = logging.getLogger(__name__)

#: To delete a checkpoint is to write an index and an entry or two first: some KiB,
#: and the folders that they are in. This is room for hundreds.
SIZE = 4 * 1024 * 1024


class Reserve:
    """A file of no content that takes up space until the space is needed.

    Any number of processes share it; whoever finds the filesystem full gives it
    back, and whoever deletes something next takes it again.

    :param path: of the file, on the filesystem whose space it keeps back
    :param size: bytes
    """

    def __init__(self, path: bytes, size: int = SIZE) -> None:
        self._path = path
        self._size = size
        self._is_taken = False

    def take(self) -> None:
        """Take the space, unless it is taken; a filesystem that is full has none."""
        if self._is_taken:
            return
        try:
            descriptor = os.open(
                self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
            try:
                os.fchmod(descriptor, 0o600)
                os.posix_fallocate(descriptor, 0, self._size)
            finally:
                os.close(descriptor)
        except OSError as error:
            LOG.debug("No space is kept back at %r: %s", self._path, error)
            with contextlib.suppress(OSError):
                os.unlink(self._path)
            return
        self._is_taken = True

    def give_back(self) -> bool:
        """Free the space; False when there was none to free."""
        self._is_taken = False
        try:
            os.unlink(self._path)
        except FileNotFoundError:
            return False
        LOG.warning(
            "The filesystem of %r is full: the space kept back on it is given back, so "
            "that checkpoints can still be deleted. Delete some, or make room.",
            self._path,
        )
        return True
