# SPDX-License-Identifier: Apache-2.0
"""A bank plugin around another bank plugin.

A decorator adds one thing (tries again, counts, holds back) to whatever bank it is put
around, and behaves as a bank plugin itself. Decorators are named in a provider's file,
``bank_decorator``, in their order from the inside out, and are found among the entry
points ``karbor.bank_decorators``.
"""

import dataclasses
import datetime
import functools
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self, TypeVar, cast

from oslo_config import cfg

from karbor import exception
from karbor.context import RequestContext
from karbor.services.protection.bank.batches import ObjectBatch, start_batch
from karbor.services.protection.bank_plugin import (
    BankCapabilities,
    BankPlugin,
    LeasePlugin,
)

Answer = TypeVar("Answer")


@dataclasses.dataclass(frozen=True, slots=True)
class Call:
    """What is asked of the wrapped bank.

    :param method: the name of the method in the contract
    :param key: the object's key; the prefix for ``list_objects``; the owner's id for
        ``check_lease_existence``; None where there is none
    """

    method: str
    key: str | None = None

    def __str__(self) -> str:
        return self.method if self.key is None else f"{self.method} of {self.key}"


class BankDecorator(BankPlugin):
    """Passes everything on to the bank that it is around.

    A subclass overrides :meth:`_perform`, through which every call to the store
    goes, or single methods of the contract, or both. It is a :class:`LeasePlugin`
    when the wrapped bank is one and :attr:`keeps_lease` is true. Like every bank
    plugin it is called from many threads at once.

    :cvar group: the group of the provider's file with its options, or None
    :cvar opts: the options
    :cvar keeps_lease: whether it passes on the lease of the wrapped bank

    :param wrapped: the bank that it is around
    :param config: the provider's configuration
    :raises InvalidInput: when an option is wrong; the error's ``kwargs["option"]``
        names it as ``[group]/option``
    """

    group: ClassVar[str | None] = None
    opts: ClassVar[Sequence[cfg.Opt]] = ()
    keeps_lease: ClassVar[bool] = True

    def __new__(cls, wrapped: BankPlugin, *_args: Any, **_kwargs: Any) -> Self:
        # Whether a bank has leases is asked by isinstance, so it is the class that
        # has to differ.
        made = (
            _leasing(cls)
            if cls.keeps_lease and isinstance(wrapped, LeasePlugin)
            else cls
        )
        return cast(Self, super().__new__(made))

    def __init__(self, wrapped: BankPlugin, config: cfg.ConfigOpts) -> None:
        super().__init__(config)
        self._wrapped = wrapped
        self.options = self._read_options(config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} around {self._wrapped!r}>"

    @property
    def wrapped(self) -> BankPlugin:
        """The bank that this is around."""
        return self._wrapped

    @property
    def uncached(self) -> BankPlugin:
        """The same bank, with reads that no cache answers.

        For whoever must know what the store has now, such as a verification. It
        shares everything else with this one: limits, counts, invalidation.
        """
        below = getattr(self._wrapped, "uncached", self._wrapped)
        return self if below is self._wrapped else self._around(below)

    @property
    def capabilities(self) -> BankCapabilities:
        return self._wrapped.capabilities

    def update_object(
        self, key: str, value: Any, context: RequestContext | None = None
    ) -> None:
        self._perform(
            Call("update_object", key),
            lambda: self._wrapped.update_object(key, value, context=context),
        )

    def batch(self) -> ObjectBatch:
        return _DecoratedBatch(self, start_batch(self._wrapped))

    def get_object(self, key: str, context: RequestContext | None = None) -> Any:
        return self._perform(
            Call("get_object", key),
            lambda: self._wrapped.get_object(key, context=context),
        )

    def list_objects(
        self,
        prefix: str | None = None,
        limit: int | None = None,
        marker: str | None = None,
        sort_dir: str | None = None,
        context: RequestContext | None = None,
    ) -> list[str]:
        return self._perform(
            Call("list_objects", prefix),
            lambda: self._wrapped.list_objects(
                prefix=prefix,
                limit=limit,
                marker=marker,
                sort_dir=sort_dir,
                context=context,
            ),
        )

    def delete_object(self, key: str, context: RequestContext | None = None) -> None:
        self._perform(
            Call("delete_object", key),
            lambda: self._wrapped.delete_object(key, context=context),
        )

    def stored_size(self, key: str) -> int | None:
        # Plugins that inherit nothing from the contract's module lack it.
        size_of = getattr(self._wrapped, "stored_size", None)
        if size_of is None:
            return None
        return self._perform(Call("stored_size", key), lambda: size_of(key))

    def lock_object(self, key: str, until: datetime.datetime) -> None:
        lock = getattr(self._wrapped, "lock_object", None)
        if lock is None:
            super().lock_object(key, until)
            return
        self._perform(Call("lock_object", key), lambda: lock(key, until))

    def locked_until(self, key: str) -> datetime.datetime | None:
        ask = getattr(self._wrapped, "locked_until", None)
        if ask is None:
            return None
        return self._perform(Call("locked_until", key), lambda: ask(key))

    def get_owner_id(self, context: RequestContext | None = None) -> str:
        return self._wrapped.get_owner_id(context=context)

    def _perform(self, call: Call, act: Callable[[], Answer]) -> Answer:
        """Do what is asked.

        :param act: asks the wrapped bank; may be called any number of times
        """
        return act()

    def _around(self, wrapped: Any) -> Self:
        """The same decorator, with the same state, around another bank."""
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__)
        made._wrapped = wrapped
        return made

    def _read_options(self, config: cfg.ConfigOpts) -> dict[str, Any]:
        found = {}
        for opt in self.opts:
            assert self.group is not None
            try:
                config.register_opt(opt, group=self.group)
                found[opt.dest] = config[self.group][opt.dest]
            except (cfg.Error, ValueError) as error:
                raise self._invalid(opt.dest, str(error)) from error
        return found

    def _invalid(self, option: str, problem: str) -> exception.InvalidInput:
        name = f"[{self.group}]/{option}"
        return exception.InvalidInput(reason=f"option {name}: {problem}", option=name)


class _DecoratedBatch(ObjectBatch):
    """A batch whose objects go the same way as other objects, down to the bank."""

    def __init__(self, decorator: BankDecorator, batch: ObjectBatch) -> None:
        super().__init__(decorator._around(_BatchBank(decorator.wrapped, batch)))
        self._batch = batch

    def rely_on(self, key: str) -> None:
        self._batch.rely_on(key)

    def flush(self) -> None:
        # Not to be tried again: a batch that failed is lost.
        self._batch.flush()

    def close(self) -> None:
        self._batch.close()


class _BatchBank:
    """A bank whose objects are put into a batch of it."""

    def __init__(self, wrapped: BankPlugin, batch: ObjectBatch) -> None:
        self._bank = wrapped
        self.update_object = batch.update_object

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bank, name)


class _Leasing(LeasePlugin):
    """What a decorator around a bank with leases has in addition."""

    _wrapped: Any
    _perform: Callable[..., Any]

    @property
    def lease_expire_window(self) -> int:
        return self._wrapped.lease_expire_window

    @property
    def lease_renew_window(self) -> int:
        return self._wrapped.lease_renew_window

    @property
    def lease_validity_window(self) -> int:
        return self._wrapped.lease_validity_window

    @property
    def release_lease(self) -> Callable[[], None]:
        """Optional in a bank, and so here: a property that may not be there."""
        release = self._wrapped.release_lease
        return lambda: self._perform(Call("release_lease"), release)

    def acquire_lease(self) -> None:
        self._perform(Call("acquire_lease"), self._wrapped.acquire_lease)

    def renew_lease(self) -> None:
        self._perform(Call("renew_lease"), self._wrapped.renew_lease)

    def check_lease_validity(self) -> bool:
        # Answered from the owner's memory: nothing to try again, count or hold back.
        return self._wrapped.check_lease_validity()

    def check_lease_existence(self, owner_id: str) -> bool:
        return self._perform(
            Call("check_lease_existence", owner_id),
            lambda: self._wrapped.check_lease_existence(owner_id),
        )


@functools.cache
def _leasing(cls: type[BankDecorator]) -> type[BankDecorator]:
    if issubclass(cls, LeasePlugin):
        return cls
    return type(cls.__name__, (cls, _Leasing), {"__module__": cls.__module__})
