# SPDX-License-Identifier: Apache-2.0
"""New objects that become durable together."""

from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from karbor.context import RequestContext
    from karbor.services.protection.bank_plugin import BankPlugin


class ObjectBatch:
    """Puts objects that nothing refers to before all of them are durable.

    For chunks of data: a store that would otherwise wait for each object's way to
    the disk waits for many at once. What refers to the objects is put after
    :meth:`flush`, and not through the batch. Here each object is durable at once; a
    plugin whose store gains from more overrides this. Safe from many threads until
    :meth:`close`; a context manager that closes it.

    :param plugin: where the objects go
    """

    def __init__(self, plugin: "BankPlugin") -> None:
        self._plugin = plugin

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def update_object(
        self, key: str, value: Any, context: "RequestContext | None" = None
    ) -> None:
        """Put an object, which is seen and durable at the latest after a flush.

        Until then nobody may see it; whoever sees it gets all of it, also after a
        power cut. The value's buffer may be used anew when this returns.

        :param key: that no object has, and that nobody else uses
        :raises BankUpdateObjectFailed: when this object, or an earlier one of the
            batch, could not be written
        """
        self._plugin.update_object(key, value, context=context)

    def rely_on(self, key: str) -> None:
        """Take an object that another one has put for one of this batch.

        It was seen, so that it is whole; the next flush makes sure that it is also
        found after a power cut, should its writer not have come to that yet.
        """

    def flush(self) -> None:
        """Return when every object put and relied on by then is seen and durable.

        :raises BankUpdateObjectFailed: when one of them may not be; every later call
            of the batch raises it too, since no store tells that a second time
        """

    def close(self) -> None:
        """Free what the batch holds. An object that was not flushed is there, whole,
        or not."""


def start_batch(plugin: "BankPlugin") -> ObjectBatch:
    """A batch of a bank; also of a plugin of Karbor 1.x, which knows of none."""
    start = getattr(plugin, "batch", None)
    return ObjectBatch(plugin) if start is None else start()
