# SPDX-License-Identifier: Apache-2.0
"""Database instances and backups of a Trove as plain dicts, and as things to wait for.

Fields are as the Database API v1.0 documents them.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from karbor.i18n import _
from karbor.services.protection.clients.faults import calling
from karbor.services.protection.clients.listed_things import ListedThings
from karbor.services.protection.clients.missing import (
    as_path,
    found_or_none,
    is_done_or_missing,
)
from karbor.services.protection.waiting.until import Thing

SERVICE = "Trove"
#: Trove gives 20 where it is not asked for a number, and no more than it is set to.
PAGE_SIZE = 100


class TroveThings(ListedThings):
    """Things of one kind that a Trove client's user sees.

    :param client: as ``ClientFactory.create_client('trove', …)`` gives
    :param context: whose client it is
    """

    @property
    def endpoint(self) -> str:
        return str(self.client.client.endpoint_override)


class Instances(TroveThings):
    """Database instances."""

    kind: ClassVar[str] = "database instance"

    def get(self, instance_id: str) -> dict[str, Any] | None:
        """One instance; None when it does not exist or is another's.

        :raises ServiceFailed: when Trove cannot be asked
        """
        return found_or_none(
            SERVICE,
            f"show database instance {instance_id}",
            lambda: dict(self.client.instances.get(as_path(instance_id)).to_dict()),
        )

    def all(self) -> Iterator[dict[str, Any]]:
        """The instances of the project, page by page, with fewer fields than one.

        :raises ServiceFailed: when Trove cannot be asked
        """
        yield from _pages("list database instances", self.client.instances.list)

    def named(self, name: str) -> dict[str, Any] | None:
        """The instance of this name, or None.

        :raises ServiceFailed: when Trove cannot be asked
        """
        return next((one for one in self.all() if one["name"] == name), None)

    def create(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """A new instance, still in ``BUILD``.

        :param fields: as troveclient's ``instances.create`` takes
        :raises ServiceFailed: when Trove refuses it
        """
        with calling(SERVICE, f"create database instance '{fields['name']}'"):
            return dict(self.client.instances.create(**fields).to_dict())

    def rename(self, instance_id: str, name: str) -> None:
        """Give an instance another name.

        :raises ServiceFailed: when Trove refuses it
        """
        with calling(SERVICE, f"rename database instance {instance_id} to '{name}'"):
            self.client.instances.update(as_path(instance_id), name=name)

    def delete(self, instance_id: str) -> bool:
        """Begin to delete an instance.

        :returns: False when it did not exist
        :raises ServiceFailed: when Trove refuses it
        """
        return is_done_or_missing(
            SERVICE,
            f"delete database instance {instance_id}",
            lambda: self.client.instances.delete(as_path(instance_id)),
        )

    def has_configuration(self, configuration_id: str) -> bool:
        """Whether a configuration group exists.

        :raises ServiceFailed: when Trove cannot be asked
        """
        found = found_or_none(
            SERVICE,
            f"show configuration group {configuration_id}",
            lambda: self.client.configurations.get(as_path(configuration_id)),
        )
        return found is not None

    def fault_of(self, thing: Thing) -> str | None:
        """What Trove noted of its failure, which no listing shows."""
        shown = self.get(thing["id"]) or {}
        fault = shown.get("fault") or {}
        return fault.get("message")


class Backups(TroveThings):
    """Backups of databases."""

    kind: ClassVar[str] = "database backup"

    def get(self, backup_id: str) -> dict[str, Any] | None:
        """One backup; None when it does not exist or is another's.

        :raises ServiceFailed: when Trove cannot be asked
        """
        return found_or_none(
            SERVICE,
            f"show database backup {backup_id}",
            lambda: dict(self.client.backups.get(as_path(backup_id)).to_dict()),
        )

    def all(self, instance_id: str | None = None) -> Iterator[dict[str, Any]]:
        """The backups of the project, or of one instance, page by page.

        :raises ServiceFailed: when Trove cannot be asked
        """
        yield from _pages(
            "list database backups", self.client.backups.list, instance_id=instance_id
        )

    def create(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """A new backup, still to be made.

        :param fields: as troveclient's ``backups.create`` takes
        :raises ServiceFailed: when Trove refuses it
        """
        with calling(SERVICE, f"back up database instance {fields['instance']}"):
            return dict(self.client.backups.create(**fields).to_dict())

    def delete(self, backup_id: str) -> bool:
        """Begin to delete a backup, and every backup that is based on it.

        :returns: False when it did not exist
        :raises ServiceFailed: when Trove refuses it
        """
        return is_done_or_missing(
            SERVICE,
            f"delete database backup {backup_id}",
            lambda: self.client.backups.delete(as_path(backup_id)),
        )

    def fault_of(self, thing: Thing) -> str | None:
        return _(
            "Trove notes no reason; the log of the guest of database instance %s has it"
        ) % thing.get("instance_id")


def _pages(
    action: str, list_page: Callable[..., Any], **query: Any
) -> Iterator[dict[str, Any]]:
    marker = None
    while True:
        with calling(SERVICE, action):
            page = list_page(limit=PAGE_SIZE, marker=marker, **query)
        yield from (dict(one.to_dict()) for one in page)
        marker = page.next
        if not marker:
            return
