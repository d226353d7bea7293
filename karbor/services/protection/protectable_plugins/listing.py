# SPDX-License-Identifier: Apache-2.0
"""What a service has of one kind, asked for by project and remembered for a while."""

from collections.abc import Callable, Iterable, MutableMapping
from typing import Any, Protocol

from karbor import exception
from karbor.context import RequestContext
from karbor.i18n import _

#: A thing as its service describes it, with at least an ``id``.
Thing = dict[str, Any]


class Source(Protocol):
    """Where things of one kind are listed; each raises ``ServiceFailed``."""

    @property
    def few(self) -> int:
        """Up to so many are asked for by their ids, more by listing projects."""

    def get_many(self, ids: Iterable[str], /) -> dict[str, Thing]:
        """Those of the things that exist and that the caller sees, by their ids."""

    def of_project(self, project_id: str, *, all_tenants: bool) -> list[Thing]:
        """All things of a project, which is another than the token's or not."""


def one_by_one(
    get: Callable[[str], Thing | None], ids: Iterable[str]
) -> dict[str, Thing]:
    """Those of the things that exist, by their ids; one question for each."""
    found = {thing_id: get(thing_id) for thing_id in ids}
    return {thing_id: thing for thing_id, thing in found.items() if thing is not None}


class Listing:
    """The things of one kind, each asked for once.

    It costs a page of calls for each project, not one for each thing. It does not
    notice what changes meanwhile, so it is kept no longer than a graph is built.

    :param owner: the field of a thing that names its project
    """

    def __init__(self, context: RequestContext, source: Source, owner: str) -> None:
        self._context = context
        self._source = source
        self._owner = owner
        self._projects: dict[str, list[Thing]] = {}
        self._known: dict[str, Thing] = {}
        self._missing: set[str] = set()

    def of_project(self, project_id: str) -> list[Thing]:
        """All things of a project.

        :raises NotAuthorized: for another project than the caller's, who is no admin
        :raises KarborException: when the service cannot be asked, or gave others'
        """
        if project_id not in self._projects:
            self._projects[project_id] = self._list(project_id)
        return self._projects[project_id]

    def by_ids(self, ids: Iterable[str]) -> dict[str, Thing]:
        """Those of the things that exist and that the caller sees, by their ids.

        :raises KarborException: when the service cannot be asked
        """
        wanted = list(dict.fromkeys(ids))
        unknown = self._unknown(wanted)
        while len(unknown) > self._source.few:
            self._ask(unknown[:1])
            project_id = self._known.get(unknown[0], {}).get(self._owner)
            if project_id and self._may_list(project_id):
                self.of_project(project_id)
            unknown = self._unknown(unknown)
        self._ask(unknown)
        return {name: self._known[name] for name in wanted if name in self._known}

    def _unknown(self, ids: list[str]) -> list[str]:
        return [
            name
            for name in ids
            if name not in self._known and name not in self._missing
        ]

    def _ask(self, ids: list[str]) -> None:
        found = self._source.get_many(ids)
        self._known.update(found)
        self._missing.update(name for name in ids if name not in found)

    def _may_list(self, project_id: str) -> bool:
        return project_id == self._context.project_id or bool(self._context.is_admin)

    def _list(self, project_id: str) -> list[Thing]:
        if not self._may_list(project_id):
            raise exception.NotAuthorized(
                _(
                    "Project %(project)s is not the caller's: only an admin may look "
                    "into another project."
                )
                % {"project": project_id}
            )
        found = self._source.of_project(
            project_id, all_tenants=project_id != self._context.token_project_id
        )
        for thing in found:
            owner = thing.get(self._owner)
            if owner not in (None, project_id):
                raise exception.NotAuthorized(
                    _(
                        "Asked for project %(project)s, the service gave %(id)s of "
                        "project %(owner)s: the caller is no admin to it."
                    )
                    % {"project": project_id, "id": thing["id"], "owner": owner}
                )
        self._known.update((thing["id"], thing) for thing in found)
        return found


def kept(
    shared: MutableMapping[str, Any], kind: str, make: Callable[[], Listing]
) -> Listing:
    """The listing of a kind that plugins share, made by whoever asks first."""
    if kind not in shared:
        shared[kind] = make()
    listing: Listing = shared[kind]
    return listing
