# SPDX-License-Identifier: Apache-2.0
"""Making something of Neutron's as like the original as its user may make it."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from karbor.services.protection.clients.faults import ServiceFailed
from karbor.services.protection.clients.neutron_networks import (
    Kind,
    Neutron,
    is_over_quota,
)

#: What Neutron answers to a field that it, or its policy, does not take as it is.
_REFUSALS = frozenset({400, 403, 404, 409})


@dataclasses.dataclass(frozen=True)
class Wish:
    """Fields that a thing is made without when they are refused.

    :param what: as people read it: ``the MAC address fa:16:3e:00:00:01``
    :param fields: overlay those that the thing needs, objects in them too
    :param words: that a refusal may name instead of a field, such as the address
    """

    what: str
    fields: Mapping[str, Any]
    words: tuple[str, ...] = ()

    def is_named_in(self, text: str) -> bool:
        """Whether a refusal speaks of this."""
        return any(word.lower() in text for word in (*self._names(), *self.words))

    def _names(self) -> list[str]:
        names: list[str] = []
        for name, value in self.fields.items():
            names.extend(value if isinstance(value, Mapping) else [name])
        return names


def create(
    neutron: Neutron,
    kind: Kind,
    fields: Mapping[str, Any],
    wishes: Sequence[Wish],
) -> tuple[dict[str, Any], list[str]]:
    """Make something, without those of the wishes that are refused.

    A refusal by policy names all fields that have a rule, so what it names is left
    out one by one, from the last on.

    :param wishes: that every user is granted first
    :returns: what was made, and a text for each wish that was not granted
    :raises ServiceFailed: when it is refused without any of them too, or there is no
        quota for it
    """
    left = list(wishes)
    remarks: list[str] = []
    while True:
        try:
            return neutron.create(kind, _overlaid(fields, left)), remarks
        except ServiceFailed as error:
            if not left or not is_refusal(error):
                raise
            text = str(error).lower()
            named = [wish for wish in left if wish.is_named_in(text)]
            refused = (named or left)[-1]
            left.remove(refused)
            remarks.append(f"without {refused.what}: {first_line(error)}")


def is_refusal(error: ServiceFailed) -> bool:
    """Whether the same thing with less to it may be had."""
    return error.status in _REFUSALS and not is_over_quota(error)


def first_line(error: Exception) -> str:
    """What an error says, without the request ids that the library adds."""
    return str(error).partition("\n")[0]


def _overlaid(fields: Mapping[str, Any], wishes: Sequence[Wish]) -> dict[str, Any]:
    made = dict(fields)
    for wish in wishes:
        for name, value in wish.fields.items():
            below = made.get(name)
            both = isinstance(below, Mapping) and isinstance(value, Mapping)
            made[name] = {**below, **value} if both else value  # type: ignore[dict-item]
    return made
