# SPDX-License-Identifier: Apache-2.0
"""Things to wait for, of services that list a project's and show each by its id."""

import abc
import urllib.parse
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from karbor.context import RequestContext
from karbor.services.protection.waiting.until import Thing, Things


class ListedThings(Things):
    """The things of one kind that a caller sees, as plain dicts.

    :param client: of the service, as ``ClientFactory.create_client`` gives
    :param context: whose client it is
    """

    #: Up to so many are asked for one by one, rather than listing a project's.
    few: ClassVar[int] = 3

    #: What the service calls the id of one.
    id_field: ClassVar[str] = "id"

    def __init__(self, client: Any, context: RequestContext) -> None:
        self.client = client
        self.context = context

    @property
    @abc.abstractmethod
    def endpoint(self) -> str:
        """Where the service listens."""

    @abc.abstractmethod
    def get(self, thing_id: str) -> dict[str, Any] | None:
        """One of them; None when it does not exist or is another's.

        :raises ServiceFailed: when the service cannot be asked
        """

    @abc.abstractmethod
    def all(self) -> Iterable[dict[str, Any]]:
        """The token's project's, from all pages.

        :raises ServiceFailed: when the service cannot be asked
        """

    @property
    def key(self) -> Hashable:
        return (
            self.kind,
            self.endpoint,
            self.context.token_project_id,
            self.context.user_id,
        )

    @property
    def service(self) -> Hashable:
        return (self.kind, urllib.parse.urlsplit(self.endpoint).netloc)

    def find(self, ids: Sequence[str]) -> Mapping[str, Thing]:
        wanted = set(ids)
        found: dict[str, Thing] = {}
        if len(wanted) > self.few:
            listed = ((one[self.id_field], one) for one in self.all())
            found = {name: one for name, one in listed if name in wanted}
        # An administrator sees things of other projects, which no list has.
        for name in wanted - found.keys():
            one = self.get(name)
            if one is not None:
                found[name] = one
        return found
