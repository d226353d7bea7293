# SPDX-License-Identifier: Apache-2.0
"""Deleting condemned chunk objects."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from karbor import exception
from karbor.services.protection.bank.chunks import damaged, names
from karbor.services.protection.bank.sections import BankSection
from karbor.services.protection.checkpoints import indices
from karbor.services.protection.collection.batches import batched

#: Objects between two looks at the lease, and at whether to stop.
_BATCH = 256


@dataclasses.dataclass
class Deleted:
    """What became of condemned objects.

    :param gone: how many the bank has no more
    :param left: the names of those that it would not delete
    :param reasons: why, the first of each kind
    """

    gone: int = 0
    left: list[str] = dataclasses.field(default_factory=list)
    reasons: dict[str, str] = dataclasses.field(default_factory=dict)


class Deleter:
    """Deletes chunk objects, several at once.

    :param threads: how many; 1: in the caller's thread
    :param may_go_on: called before each few hundred objects; may raise
    """

    def __init__(self, threads: int, may_go_on: Callable[[], None]) -> None:
        self._threads = threads
        self._may_go_on = may_go_on

    def delete(self, space: BankSection, doomed: Iterable[str]) -> Deleted:
        """Delete objects; one that is not there any more is deleted.

        :param space: the project's chunk space
        :raises BankException: when the bank cannot say which are damaged
        """
        done = Deleted()
        marked = damaged.load(space)

        def delete(name: str) -> exception.BankException | None:
            return _delete(space, name, name in marked)

        def run(batch: Sequence[str], executor: ThreadPoolExecutor | None) -> None:
            self._may_go_on()
            results = (
                map(delete, batch) if executor is None else executor.map(delete, batch)
            )
            for name, error in zip(batch, results, strict=True):
                if error is None:
                    done.gone += 1
                else:
                    done.left.append(name)
                    done.reasons.setdefault(type(error).__name__, str(error))

        batches = batched(doomed, _BATCH)
        if self._threads == 1:
            for batch in batches:
                run(batch, None)
            return done
        with ThreadPoolExecutor(self._threads, "collection-delete") as executor:
            for batch in batches:
                run(batch, executor)
        return done


def _delete(
    space: BankSection, name: str, is_marked: bool
) -> exception.BankException | None:
    """Delete one object; gives why it may still be there."""
    try:
        indices.delete_if_there(space, names.key(name))
        if is_marked:
            damaged.clear(space, name)
    except exception.BankException as error:
        return error
    return None
