# SPDX-License-Identifier: Apache-2.0
"""Shares and share snapshots of a Manila as plain dicts, and as things to wait for.

Fields are as the Shared File Systems API v2 documents them.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from karbor.services.protection.clients.faults import calling
from karbor.services.protection.clients.listed_things import ListedThings
from karbor.services.protection.clients.missing import (
    as_path,
    found_or_none,
    is_done_or_missing,
)
from karbor.services.protection.waiting.until import Thing

SERVICE = "Manila"
PAGE_SIZE = 500

#: What Manila calls the owner of a thing.
OWNER = "project_id"


class ManilaThings(ListedThings):
    """Things of one kind that a Manila client's user sees.

    :param client: as ``ClientFactory.create_client('manila', …)`` gives
    :param context: whose client it is
    """

    owner_field: ClassVar[str] = OWNER

    @property
    def endpoint(self) -> str:
        return str(self.client.client.endpoint_override)

    def fault_of(self, thing: Thing) -> str | None:
        """The newest of Manila's messages to the user about it."""
        name = thing["id"]
        with calling(SERVICE, f"list the messages about {self.kind} {name}"):
            messages = self.client.messages.list(search_opts={"resource_id": name})
        newest = max(messages, key=lambda one: str(one.created_at), default=None)
        return None if newest is None else str(newest.user_message)


class Shares(ManilaThings):
    """Shares."""

    kind: ClassVar[str] = "share"

    def get(self, share_id: str) -> dict[str, Any] | None:
        """One share; None when it does not exist or is another's.

        :raises ServiceFailed: when Manila cannot be asked
        """
        return found_or_none(
            SERVICE,
            f"show share {share_id}",
            lambda: dict(self.client.shares.get(as_path(share_id)).to_dict()),
        )

    def all(self) -> Iterator[dict[str, Any]]:
        """The shares of the project, page by page.

        :raises ServiceFailed: when Manila cannot be asked
        """
        yield from _pages("list shares", self.client.shares.list, {"is_public": False})

    def of_project(self, project_id: str) -> Iterator[dict[str, Any]]:
        query = {"is_public": False, "all_tenants": 1, "project_id": project_id}
        action = f"list the shares of project {project_id}"
        yield from _pages(action, self.client.shares.list, query)

    def with_metadata(self, key: str, value: str) -> dict[str, Any] | None:
        """A share of the project with this in its metadata, or None.

        :raises ServiceFailed: when Manila cannot be asked
        """
        query = {"is_public": False, "metadata": {key: value}}
        shares = _pages(f"list shares with {key}", self.client.shares.list, query)
        return next(
            (one for one in shares if one.get("metadata", {}).get(key) == value), None
        )

    def create(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """A new share, still ``creating``.

        :param fields: as manilaclient's ``shares.create`` takes
        :raises ServiceFailed: when Manila refuses it
        """
        with calling(SERVICE, f"create share '{fields.get('name')}'"):
            return dict(self.client.shares.create(**fields).to_dict())

    def delete(self, share_id: str) -> bool:
        """Begin to delete a share.

        :returns: False when it did not exist
        :raises ServiceFailed: when Manila refuses it
        """
        return is_done_or_missing(
            SERVICE,
            f"delete share {share_id}",
            lambda: self.client.shares.delete(as_path(share_id)),
        )

    def delete_metadata(self, share_id: str, key: str) -> None:
        """Take a key out of a share's metadata, if it is there.

        :raises ServiceFailed: when Manila refuses it
        """
        is_done_or_missing(
            SERVICE,
            f"delete metadata '{key}' of share {share_id}",
            lambda: self.client.shares.delete_metadata(as_path(share_id), [key]),
        )

    def publish(self, share_id: str) -> None:
        """Let every project see a share.

        :raises ServiceFailed: when Manila refuses it, as it does to most users
        """
        with calling(SERVICE, f"make share {share_id} public"):
            self.client.shares.update(as_path(share_id), is_public=True)

    def access_rules(self, share_id: str) -> list[dict[str, Any]]:
        """Who may mount a share: ``access_type``, ``access_to``, ``access_level``, …

        :raises ServiceFailed: when Manila cannot be asked
        """
        with calling(SERVICE, f"list the access rules of share {share_id}"):
            rules = self.client.shares.access_list(as_path(share_id))
        return [dict(rule._asdict()) for rule in rules]

    def allow(self, share_id: str, kind: str, who: str, level: str) -> None:
        """Begin to let somebody mount a share.

        :raises ServiceFailed: when Manila refuses it
        """
        with calling(SERVICE, f"allow {kind} {who} to mount share {share_id}"):
            self.client.shares.allow(as_path(share_id), kind, who, level)


class AccessRules(Shares):
    """Shares, whose status is that of their access rules."""

    kind: ClassVar[str] = "share with access rules"

    def status_of(self, thing: Thing) -> str:
        return str(thing.get("access_rules_status") or "active").lower()


class Snapshots(ManilaThings):
    """Snapshots of shares."""

    kind: ClassVar[str] = "share snapshot"

    def get(self, snapshot_id: str) -> dict[str, Any] | None:
        """One snapshot; None when it does not exist or is another's.

        :raises ServiceFailed: when Manila cannot be asked
        """
        return found_or_none(
            SERVICE,
            f"show share snapshot {snapshot_id}",
            lambda: dict(
                self.client.share_snapshots.get(as_path(snapshot_id)).to_dict()
            ),
        )

    def all(self, share_id: str | None = None) -> Iterator[dict[str, Any]]:
        """The snapshots of the project, or of one share, page by page.

        :raises ServiceFailed: when Manila cannot be asked
        """
        query = {"share_id": share_id} if share_id else {}
        yield from _pages(
            "list share snapshots", self.client.share_snapshots.list, query
        )

    def of_project(self, project_id: str) -> Iterator[dict[str, Any]]:
        query = {"all_tenants": 1, "project_id": project_id}
        action = f"list the share snapshots of project {project_id}"
        yield from _pages(action, self.client.share_snapshots.list, query)

    def create(
        self, share_id: str, name: str | None, description: str, force: bool
    ) -> dict[str, Any]:
        """A new snapshot, still ``creating``.

        :param force: also of a share that is not ``available``
        :raises ServiceFailed: when Manila refuses it
        """
        with calling(SERVICE, f"create a snapshot of share {share_id}"):
            made = self.client.share_snapshots.create(
                share_id, force=force, name=name, description=description
            )
        return dict(made.to_dict())

    def delete(self, snapshot_id: str) -> bool:
        """Begin to delete a snapshot.

        :returns: False when it did not exist
        :raises ServiceFailed: when Manila refuses it
        """
        return is_done_or_missing(
            SERVICE,
            f"delete share snapshot {snapshot_id}",
            lambda: self.client.share_snapshots.delete(as_path(snapshot_id)),
        )


def _pages(
    action: str, list_page: Callable[..., Any], query: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    offset = 0
    while True:
        # Made anew for each page: manilaclient takes keys out of it.
        wanted = {**query, "limit": PAGE_SIZE, "offset": offset}
        with calling(SERVICE, action):
            page = list_page(detailed=True, search_opts=wanted)
        if not page:
            # A short page is not the last one: Manila may allow no longer ones.
            return
        yield from (dict(one.to_dict()) for one in page)
        offset += len(page)
