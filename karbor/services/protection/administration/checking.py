# SPDX-License-Identifier: Apache-2.0
"""What the parts of one check of a bank share."""

import abc
import collections
import dataclasses
from collections.abc import Callable
from concurrent.futures import Executor

from karbor import exception
from karbor.services.protection.administration.depth import Depth
from karbor.services.protection.administration.findings import Report
from karbor.services.protection.administration.needed import Needed, NeededChunks
from karbor.services.protection.bank.chunks.space import ChunkSpace
from karbor.services.protection.checkpoints.store import CheckpointStore

#: Pages that are remembered, not to be read again for the next stream that shares
#: them; fifteen megabytes.
_REMEMBERED = 50_000


class Mender(abc.ABC):
    """Takes care of damaged chunk objects while a check finds them."""

    @abc.abstractmethod
    def mend(
        self, space: ChunkSpace, name: str, needed: Needed | None, reason: str
    ) -> bool:
        """
        :param needed: what must be in it; None when nothing needs it
        :param reason: what is wrong with it
        :returns: whether it is whole again
        :raises BankException: when the bank cannot be asked now
        """


class NoMender(Mender):
    """Changes nothing."""

    def mend(
        self, space: ChunkSpace, name: str, needed: Needed | None, reason: str
    ) -> bool:
        return False


class SeenPages:
    """Pages that were read and are sound, as many as fit into memory."""

    def __init__(self) -> None:
        self._seen: collections.OrderedDict[str, bytes] = collections.OrderedDict()

    def get(self, space: str, name: str | None) -> bytes | None:
        """What was noted of a page; None when it is to be read.

        :param space: prefix of the chunk space
        :param name: None for a page that is in the manifest, and not remembered
        """
        if name is None or space + name not in self._seen:
            return None
        self._seen.move_to_end(space + name)
        return self._seen[space + name]

    def add(self, space: str, name: str | None, digest: bytes) -> None:
        """
        :param digest: what it adds to the digest of its stream
        """
        if name is not None:
            self._seen[space + name] = digest
            if len(self._seen) > _REMEMBERED:
                self._seen.popitem(last=False)


@dataclasses.dataclass(frozen=True)
class Checking:
    """What checks of single checkpoints and chunk spaces share.

    :param executor: reads chunks
    :param size_of: the size of a ``bytes`` object by its key in the bank, as far as
        the bank's plugin can say; else None
    :param needed: told all chunks that streams need
    :param tick: to be called now and then
    """

    store: CheckpointStore
    depth: Depth
    report: Report
    executor: Executor
    size_of: Callable[[str], int | None]
    needed: NeededChunks
    mender: Mender = dataclasses.field(default_factory=NoMender)
    tick: Callable[[], None] = lambda: None
    pages: SeenPages = dataclasses.field(default_factory=SeenPages)


def raise_if_away(error: exception.BankException) -> None:
    """Tell a bank that cannot be asked from one whose object is damaged.

    :raises BankException: the error, when trying again, or with the key, may help
    """
    if error.retryable or isinstance(
        error, exception.BankListObjectsFailed | exception.DataKeyUnavailable
    ):
        raise error


def detail(error: exception.BankException) -> str:
    """What is wrong, for a finding, which names the stream itself."""
    return str(error.kwargs.get("detail") or error)
