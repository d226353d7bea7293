# SPDX-License-Identifier: Apache-2.0
"""Pages of providers, filtered and sorted."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from karbor import exception

_LISTED = ("id", "name", "description")


class Listed(Protocol):
    """What a provider is listed by."""

    @property
    def id(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def description(self) -> str: ...


AnyListed = TypeVar("AnyListed", bound=Listed)


def page(
    providers: Iterable[AnyListed],
    *,
    marker: str | None,
    limit: int | None,
    sort_keys: Sequence[str],
    sort_dirs: Sequence[str],
    filters: Mapping[str, Any],
) -> list[AnyListed]:
    """A page of providers, by id unless asked otherwise.

    See :meth:`karbor.services.protection.provider.ProviderRegistry.list`.

    :raises InvalidInput: naming what no listing can have
    """
    if limit is not None and limit < 0:
        raise exception.InvalidInput(reason=f"limit is {limit}, less than 0")
    found = sorted(providers, key=lambda provider: provider.id)
    for name, value in filters.items():
        _check_listed("filtered", name)
        found = [provider for provider in found if getattr(provider, name) == value]
    for name, direction in _least_important_first(sort_keys, sort_dirs):
        values = {provider.id: getattr(provider, name) for provider in found}
        found.sort(
            key=lambda provider, of=values: of[provider.id],  # type: ignore[misc]
            reverse=direction == "desc",
        )
    if marker is not None:
        ids = [provider.id for provider in found]
        if marker not in ids:
            raise exception.InvalidInput(
                reason=f"marker '{marker}' is no provider of this listing"
            )
        found = found[ids.index(marker) + 1 :]
    return found if limit is None else found[:limit]


def _check_listed(what: str, name: str) -> None:
    if name not in _LISTED:
        raise exception.InvalidInput(
            reason=f"providers cannot be {what} by '{name}', but by "
            f"{', '.join(_LISTED)}"
        )


def _least_important_first(
    sort_keys: Sequence[str], sort_dirs: Sequence[str]
) -> list[tuple[str, str]]:
    order = []
    for position, name in enumerate(sort_keys):
        if name == "created_at":
            continue
        _check_listed("sorted", name)
        direction = sort_dirs[position] if position < len(sort_dirs) else "asc"
        if direction not in ("asc", "desc"):
            raise exception.InvalidInput(
                reason=f"a sort direction is asc or desc, not '{direction}'"
            )
        order.append((name, direction))
    return order[::-1]
