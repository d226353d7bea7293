# SPDX-License-Identifier: Apache-2.0
"""The contracts of a bank plugin: keep named objects, and hold a lease."""

import abc
import dataclasses
import datetime
from typing import Any

from oslo_config import cfg

from karbor import exception
from karbor.context import RequestContext
from karbor.services.protection.bank.batches import ObjectBatch
from karbor.services.protection.bank.sections import Bank, BankSection

__all__ = [
    "Bank",
    "BankCapabilities",
    "BankPlugin",
    "BankSection",
    "LeasePlugin",
    "ObjectBatch",
]


@dataclasses.dataclass(frozen=True)
class BankCapabilities:
    """What a plugin's store can do beyond the contract; nothing unless it says so.

    What stands on a bank uses these where they are there and does without where they
    are not. One that is false may still hold most of the time: it is not promised.

    :param atomic_create: of several who create an object at once, exactly one
        succeeds and the others learn that they did not
    :param compare_and_swap: likewise of several who replace what they have read
    :param strong_read: whoever reads or lists after an update or a deletion has
        returned sees it, in this process and in any other
    :param no_late_writes: an update or a deletion that has failed or timed out, or
        whose process has died, is not carried out afterwards
    :param object_lock: an object can be locked until a date by
        :meth:`BankPlugin.lock_object`, and until then nobody who goes through the
        plugin can delete or replace it, in this process or in any other
    """

    atomic_create: bool = False
    compare_and_swap: bool = False
    strong_read: bool = False
    no_late_writes: bool = False
    object_lock: bool = False


class LeasePlugin(abc.ABC):
    """Tells living owners from dead ones; a bank plugin may be one.

    One lease per bank-plugin instance, under the id that
    :meth:`BankPlugin.get_owner_id` gives. The bank's lease keeper
    (:mod:`karbor.services.protection.bank.leases`) acquires it when the service
    starts and renews it from one background thread. A lease tells whether an owner
    is *probably* alive; it cannot stop one that wakes up late, so nothing that must
    not be lost rests on it.
    """

    @abc.abstractmethod
    def acquire_lease(self) -> None:
        """Write the lease, valid for ``lease_expire_window`` seconds from now.

        :raises AcquireLeaseFailed: when it cannot be written
        """

    @abc.abstractmethod
    def renew_lease(self) -> None:
        """Extend the lease to ``lease_expire_window`` seconds from now.

        :raises AcquireLeaseFailed: when it cannot be written
        """

    @abc.abstractmethod
    def check_lease_validity(self) -> bool:
        """For the owner: are ``lease_validity_window`` seconds still left?

        Answers from the owner's own memory; asks no store.
        """

    def check_lease_existence(self, owner_id: str) -> bool:
        """For others: does that owner hold a lease that has not expired?

        A plugin of Karbor 1.x lacks this method; its owners then count as alive,
        because taking over from a living owner is worse than waiting.

        :raises BankException: when the store cannot be asked
        """
        return True


class BankPlugin(abc.ABC):
    """Keeps named objects in a store.

    Registered under the ``karbor.protections`` entry point namespace and named by
    a provider file's ``bank`` option. All methods are called from many threads at
    once.

    A **key** is a str that begins with ``/``, its parts separated by one ``/``
    each, as :func:`karbor.services.protection.bank.keys.validate` allows. No key is
    another key followed by ``/`` and more, so that a store may use folders.

    A **value** is ``bytes``, ``str``, or anything that JSON can say, and comes back
    as what went in: a ``str`` that looks like JSON stays a ``str``.

    :param config: the provider's configuration; the plugin registers and reads its
        own group there
    """

    def __init__(self, config: cfg.ConfigOpts | None = None) -> None:
        super().__init__()
        self._config = config

    @property
    def capabilities(self) -> BankCapabilities:
        """What the store can do beyond the contract; may ask it, once.

        :raises BankException: when it cannot be asked
        """
        return BankCapabilities()

    @abc.abstractmethod
    def update_object(
        self, key: str, value: Any, context: RequestContext | None = None
    ) -> None:
        """Create or replace an object: atomic, and durable when it returns.

        A reader sees the old value or the new one, never a part, also after a
        power cut.

        :param value: bytes-like (bytes, bytearray, memoryview), str, or JSON
        :raises BankUpdateObjectFailed: when it could not be written
        """

    def batch(self) -> ObjectBatch:
        """Start to put objects that become durable together; to be closed."""
        return ObjectBatch(self)

    @abc.abstractmethod
    def get_object(self, key: str, context: RequestContext | None = None) -> Any:
        """The value of an object.

        :raises BankGetObjectFailed: when it is not there or cannot be read
        """

    @abc.abstractmethod
    def list_objects(
        self,
        prefix: str | None = None,
        limit: int | None = None,
        marker: str | None = None,
        sort_dir: str | None = None,
        context: RequestContext | None = None,
    ) -> list[str]:
        """Keys in lexicographic order of their code points.

        :param prefix: only keys that begin with it (``/a/`` lists a folder,
            ``/a/b`` also finds ``/a/bc``)
        :param limit: at most so many
        :param marker: only keys strictly after it in the order asked for
        :param sort_dir: ``asc`` (default) or ``desc``
        :returns: an empty list when there are none
        :raises BankListObjectsFailed: when the store cannot be listed
        """

    @abc.abstractmethod
    def delete_object(self, key: str, context: RequestContext | None = None) -> None:
        """Delete an object; durable when it returns.

        :raises BankDeleteObjectFailed: when it is not there or cannot be deleted
        """

    def stored_size(self, key: str) -> int | None:
        """Bytes of a value that is ``bytes``, without reading it.

        For checks of a bank. None where the store cannot tell that for the price of
        a look at the object, and for other values.

        :raises BankGetObjectFailed: when it is not there or cannot be looked at
        """
        return None

    def lock_object(self, key: str, until: datetime.datetime) -> None:
        """Keep an object as it is until a date; durable when it returns.

        Until then :meth:`delete_object` and :meth:`update_object` of the key raise
        :class:`~karbor.exception.BankObjectLocked`, whoever calls them. A lock is only
        ever extended: a date that is not after the present one, or that has passed,
        changes nothing. May be called again after a failure. Whose clock decides when
        the date has come is the plugin's to say.

        :param until: aware; may be rounded up to a whole second
        :raises BankLockNotSupported: when the plugin lacks the capability
            ``object_lock``
        :raises BankLockObjectFailed: when the object is not there or cannot be locked
        :raises InvalidParameterValue: when the date is naive
        """
        raise exception.BankLockNotSupported(
            key=key, reason=f"{type(self).__name__} cannot lock objects"
        )

    def locked_until(self, key: str) -> datetime.datetime | None:
        """Until when an object is locked; None when it is not.

        A date that has passed may be told for as long as the object is there.

        :returns: aware
        :raises BankGetObjectFailed: when the object is not there or the store cannot
            tell; plugins that lock nothing may answer None instead
        """
        return None

    @abc.abstractmethod
    def get_owner_id(self, context: RequestContext | None = None) -> str:
        """The id under which this instance owns checkpoints and holds its lease."""
