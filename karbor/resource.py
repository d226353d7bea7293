# SPDX-License-Identifier: Apache-2.0
"""A resource of a cloud, as plans, graphs and plugins name it."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True, slots=True)
class Resource:
    """One resource: its type and id say which, the rest is for people.

    Two resources are equal when type and id are: a server that is listed once
    with and once without its name is one server.

    :param type: for example ``OS::Glance::Image``
    :param id: the id that the owning service gave
    :param name: what a person calls it, may be None
    :param extra_info: what the plugin that found it adds: None, a dict, or (from
        a plan) a JSON string of one
    """

    type: str
    id: str
    name: str | None = dataclasses.field(compare=False)
    extra_info: Any = dataclasses.field(default=None, compare=False)

    @property
    def key(self) -> tuple[str, str]:
        """What identifies the resource: ``(type, id)``."""
        return (self.type, self.id)

    def to_dict(self) -> dict[str, Any]:
        """The four fields by name, as RPC and REST show them."""
        return {
            "type": self.type,
            "id": self.id,
            "name": self.name,
            "extra_info": self.extra_info,
        }

    def __str__(self) -> str:
        named = f" ({self.name})" if self.name else ""
        return f"{self.type} {self.id}{named}"
