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

    #: What the service calls the project of one; empty where it does not tell it.
    owner_field: ClassVar[str] = ""

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

    def of_project(self, project_id: str) -> Iterable[dict[str, Any]]:
        """Another project's, from all pages; for administrators.

        Asked of services that tell whose a thing is.

        :raises ServiceFailed: when the service refuses, or cannot be asked
        """
        raise NotImplementedError

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
        missing = set(ids)
        found: dict[str, Thing] = {}
        if len(missing) > self.few:
            self._take(self.all(), missing, found)
        # An administrator sees things of other projects, which no list of its own has.
        listed = {self.context.token_project_id}
        while missing:
            name = missing.pop()
            one = self.get(name)
            if one is None:
                continue
            found[name] = one
            project_id = one.get(self.owner_field)
            if (
                len(missing) > self.few
                and self.context.is_admin
                and project_id
                and project_id not in listed
            ):
                listed.add(project_id)
                self._take(self.of_project(project_id), missing, found)
        return found

    def _take(
        self,
        listed: Iterable[dict[str, Any]],
        missing: set[str],
        found: dict[str, Thing],
    ) -> None:
        for one in listed:
            name = one[self.id_field]
            if name in missing:
                missing.discard(name)
                found[name] = one
