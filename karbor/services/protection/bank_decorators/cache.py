# SPDX-License-Identifier: Apache-2.0
"""Answer reads of small objects that never change from memory."""

import copy
import threading
from collections import OrderedDict
from typing import Any, ClassVar

from oslo_config import cfg

from karbor import exception
from karbor.context import RequestContext
from karbor.services.protection.bank import keys
from karbor.services.protection.bank_decorators.decorator import BankDecorator
from karbor.services.protection.bank_decorators.sizes import size_of
from karbor.services.protection.bank_plugin import BankPlugin

GROUP = "bank_cache"
OPTS = [
    cfg.IntOpt(
        "max_bytes",
        default=32 * 1024 * 1024,
        min=1,
        help="Bytes of memory that the cache takes at most; what was not used for "
        "longest goes first. Raise it when the log of the metrics decorator, put "
        "inside the cache, shows the same small objects read again and again.",
    ),
    cfg.IntOpt(
        "max_object_bytes",
        default=64 * 1024,
        min=1,
        help="Bytes of the largest object that is kept. Must not be more than "
        "max_bytes.",
    ),
    cfg.ListOpt(
        "prefixes",
        default=["/chunks/"],
        help="What keys begin with whose objects are kept, separated by commas. Only "
        "keys that are written once and never with another value may be named. "
        "Whatever is named here, /leases/, /indices/ and index.json of a checkpoint "
        "are always read from the bank.",
    ),
]

# What change is known by; a cached one would show a dead owner alive, or a
# checkpoint in a state that it has left.
_NEVER_PREFIXES = ("/leases/", "/indices/")
_NEVER_NAMES = ("index.json",)
# For the entry itself: key, value and the places in the dict. An estimate from
# sys.getsizeof of each on 64-bit CPython 3.11.
_ENTRY_BYTES = 400
_STRIPES = 1024


class CachingBank(BankDecorator):
    """Keeps small values, and forgets one before and after this service writes it.

    What another service does to an object is not seen, which is why only objects that
    never change are kept. One that another service deleted may still be answered: a
    value from the cache is no proof that the bank has the object. Whoever needs
    that reads through :attr:`uncached`, or lists.
    """

    group: ClassVar[str | None] = GROUP
    opts = OPTS

    def __init__(self, wrapped: BankPlugin, config: cfg.ConfigOpts) -> None:
        super().__init__(wrapped, config)
        most, largest = self.options["max_bytes"], self.options["max_object_bytes"]
        if largest > most:
            raise self._invalid(
                "max_object_bytes",
                f"is {largest}; it must not be more than max_bytes, {most}",
            )
        self._prefixes = tuple(map(self._checked_prefix, self.options["prefixes"]))
        self._largest: int = largest
        self._kept = _Kept(most)
        self._answers = True

    @property
    def uncached(self) -> BankPlugin:
        made = self._around(getattr(self._wrapped, "uncached", self._wrapped))
        made._answers = False
        return made

    def get_object(self, key: str, context: RequestContext | None = None) -> Any:
        if not self._may_keep(key):
            return self._wrapped.get_object(key, context=context)
        if self._answers:
            is_kept, value = self._kept.get(key)
            if is_kept:
                return _own(value)
        mark = self._kept.mark(key)
        value = self._wrapped.get_object(key, context=context)
        size = size_of(value)
        if size <= self._largest:
            self._kept.put(key, _own(value), size, mark)
        return value

    def update_object(
        self, key: str, value: Any, context: RequestContext | None = None
    ) -> None:
        self._kept.forget(key)
        try:
            self._wrapped.update_object(key, value, context=context)
        finally:
            self._kept.forget(key)

    def delete_object(self, key: str, context: RequestContext | None = None) -> None:
        self._kept.forget(key)
        try:
            self._wrapped.delete_object(key, context=context)
        finally:
            self._kept.forget(key)

    def _may_keep(self, key: str) -> bool:
        return (
            key.startswith(self._prefixes)
            and not key.startswith(_NEVER_PREFIXES)
            and key.rpartition("/")[2] not in _NEVER_NAMES
        )

    def _checked_prefix(self, prefix: str) -> str:
        try:
            if not prefix.startswith("/"):
                raise exception.InvalidParameterValue(err="it does not begin with '/'")
            keys.validate_relative_prefix(prefix[1:])
        except exception.InvalidParameterValue as error:
            raise self._invalid("prefixes", f"{prefix!r}: {error}") from error
        return prefix


class _Kept:
    """Values by key, those used last at the end; never more than so many bytes.

    :param most: bytes
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._values: OrderedDict[str, tuple[Any, int]] = OrderedDict()
        self._bytes = 0
        # Counts what was forgotten, by key; keys share a count rather than have one
        # each for ever.
        self._forgotten = [0] * _STRIPES

    def get(self, key: str) -> tuple[bool, Any]:
        """Whether there is a value, and the value."""
        with self._lock:
            if key not in self._values:
                return False, None
            self._values.move_to_end(key)
            return True, self._values[key][0]

    def mark(self, key: str) -> int:
        """Taken before a value is read, for :meth:`put`."""
        with self._lock:
            return self._forgotten[hash(key) % _STRIPES]

    def put(self, key: str, value: Any, size: int, mark: int) -> None:
        """Keep a value, unless the key was written since the mark was taken."""
        size += len(key) + _ENTRY_BYTES
        with self._lock:
            if self._forgotten[hash(key) % _STRIPES] != mark or size > self._most:
                return
            self._drop(key)
            self._values[key] = (value, size)
            self._bytes += size
            while self._bytes > self._most:
                self._drop(next(iter(self._values)))

    def forget(self, key: str) -> None:
        """Keep nothing of a key that was read before now."""
        with self._lock:
            self._forgotten[hash(key) % _STRIPES] += 1
            self._drop(key)

    def _drop(self, key: str) -> None:
        _value, size = self._values.pop(key, (None, 0))
        self._bytes -= size


def _own(value: Any) -> Any:
    """The value, or a copy of one that its receiver could change."""
    if isinstance(value, bytes | str):
        return value
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    return copy.deepcopy(value)
