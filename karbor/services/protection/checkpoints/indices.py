# SPDX-License-Identifier: Apache-2.0
"""The bank's indices: which checkpoints there are, in the order of time.

Keys, relative to ``/indices/``::

    by-provider/<provider>/<project>/<date>/<timestamp>@<id>
    by-plan/<plan>/<project>/<date>/<timestamp>@<id>
    by-date/<provider>/<date>/<timestamp>@<id>
    in-work/<owner>/<id>

The first three hold the checkpoint's id. Dates keep every folder of a filesystem
bank small. ``in-work`` has an entry for each checkpoint that an owner works on, with
all that is needed to clear away what the owner left when it died.
"""

import dataclasses
import datetime
import heapq
import itertools
from collections.abc import Iterator
from typing import Any
from urllib import parse

from oslo_log import log as logging

from karbor import exception
from karbor.services.protection.bank import sealing
from karbor.services.protection.bank.sections import BankSection
from karbor.services.protection.checkpoints import legacy
from karbor.services.protection.checkpoints.record import CheckpointRecord
from karbor.services.protection.checkpoints.timestamps import (
    format_timestamp,
    parse_timestamp,
)

LOG = logging.getLogger(__name__)

#: The listings, each a folder.
LISTINGS = ("by-date", "by-plan", "by-provider")
#: The folder of what owners work on.
IN_WORK = "in-work"
FOLDERS = frozenset({*LISTINGS, IN_WORK})

_PAGE = 1000
#: The character after "/": a key that is P + this comes after all keys below P/.
_AFTER_SLASH = "0"


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One checkpoint in a listing; entries sort as time does."""

    timestamp: str
    checkpoint_id: str

    @property
    def date(self) -> str:
        """The day, ``YYYY-MM-DD``."""
        return f"{self.timestamp[:4]}-{self.timestamp[4:6]}-{self.timestamp[6:8]}"

    @property
    def key(self) -> str:
        """The last two parts of its keys."""
        return f"{self.date}/{self.timestamp}@{self.checkpoint_id}"


@dataclasses.dataclass(frozen=True, slots=True)
class WorkEntry:
    """A checkpoint that an owner works on, or has left when it died.

    :param since: when the owner began
    :param keys: the checkpoint's keys in the other indices
    """

    checkpoint_id: str
    owner_id: str
    since: datetime.datetime
    keys: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Range:
    """Which part of an index to walk, and which way.

    :param start: first day, ``YYYY-MM-DD``, included
    :param end: last day, included
    :param after: begin strictly after this entry, in the direction of the walk
    :param page: how many keys to ask the bank for at once
    """

    descending: bool = True
    start: str | None = None
    end: str | None = None
    after: Entry | None = None
    page: int = _PAGE


class Indices:
    """Reads and writes the indices; thread-safe, as the section is.

    :param section: the bank's ``/indices``
    """

    def __init__(self, section: BankSection) -> None:
        self._section = section

    @property
    def section(self) -> BankSection:
        """The bank's ``/indices``."""
        return self._section

    def keys_of(self, record: CheckpointRecord) -> tuple[str, ...]:
        """The keys under which listings find a checkpoint."""
        tail = Entry(record.timestamp, record.id).key
        provider = part(record.provider_id)
        project = part(record.project_id)
        return (
            f"by-provider/{provider}/{project}/{tail}",
            f"by-plan/{part(record.plan_id)}/{project}/{tail}",
            f"by-date/{provider}/{tail}",
        )

    def all_keys_of(self, record: CheckpointRecord) -> tuple[str, ...]:
        """Those, and the keys that Karbor 1.x gave it, which no listing reads."""
        if record.legacy is None:
            return self.keys_of(record)
        heads = legacy.listing_keys(
            record.provider_id,
            record.project_id,
            record.plan_id,
            record.created_at,
            record.legacy["timestamp"],
        )
        return (*self.keys_of(record), *(f"{head}@{record.id}" for head in heads))

    def add(self, record: CheckpointRecord) -> None:
        """Let listings find a checkpoint."""
        for key in self.keys_of(record):
            self._section.update_object(key, record.id)

    def remove(self, keys: tuple[str, ...]) -> None:
        """Take keys out of the indices; those that are not there are no error."""
        for key in keys:
            delete_if_there(self._section, key)

    def of_project(
        self, provider_id: str, project_id: str, walk: Range
    ) -> Iterator[Entry]:
        """A project's checkpoints of one provider."""
        return self._walk(f"by-provider/{part(provider_id)}/{part(project_id)}/", walk)

    def of_provider(self, provider_id: str, walk: Range) -> Iterator[Entry]:
        """All projects' checkpoints of one provider."""
        return self._walk(f"by-date/{part(provider_id)}/", walk)

    def of_plan(
        self, plan_id: str, project_id: str | None, walk: Range
    ) -> Iterator[Entry]:
        """A plan's checkpoints, of one project or (None) of all."""
        prefix = f"by-plan/{part(plan_id)}/"
        if project_id is not None:
            return self._walk(f"{prefix}{part(project_id)}/", walk)
        walks = [self._walk(f"{prefix}{name}/", walk) for name in self._below(prefix)]
        return heapq.merge(*walks, reverse=walk.descending)

    def begin_work(
        self, record: CheckpointRecord, owner_id: str, since: datetime.datetime
    ) -> None:
        """Write down that an owner begins to work on a checkpoint."""
        self._section.update_object(
            work_key(owner_id, record.id),
            sealing.seal(
                {
                    "id": record.id,
                    "owner_id": owner_id,
                    "since": format_timestamp(since),
                    "keys": list(self.all_keys_of(record)),
                }
            ),
        )

    def end_work(self, checkpoint_id: str, owner_id: str) -> None:
        """Take the entry of :meth:`begin_work` away, if it is there."""
        delete_if_there(self._section, work_key(owner_id, checkpoint_id))

    def in_work(self, owner_id: str | None = None) -> Iterator[WorkEntry]:
        """The checkpoints that owners (or one owner) work on.

        An entry that cannot be read is logged and passed over.
        """
        prefix = "in-work/" if owner_id is None else f"in-work/{part(owner_id)}/"
        for key in self._keys(prefix, marker=None, descending=False, page=_PAGE):
            try:
                entry = work_entry(self._section.get_object(key))
            except exception.BankGetObjectFailed:
                # Its owner has ended the work meanwhile, or it cannot be read now.
                if is_there(self._section, key):
                    LOG.warning("The bank's /indices/%s cannot be read", key)
                continue
            except (KeyError, TypeError, ValueError) as error:
                LOG.warning("The bank's /indices/%s is no entry: %r", key, error)
                continue
            yield entry

    def _below(self, prefix: str) -> list[str]:
        """The names directly below a prefix, at one key read for each."""
        names: list[str] = []
        marker = None
        while True:
            found = self._section.list_objects(prefix=prefix, limit=1, marker=marker)
            if not found:
                return names
            names.append(found[0].removeprefix(prefix).split("/")[0])
            marker = prefix + names[-1] + _AFTER_SLASH

    def _walk(self, prefix: str, walk: Range) -> Iterator[Entry]:
        marks = []
        if walk.after is not None:
            marks.append(prefix + walk.after.key)
        if walk.descending:
            if walk.end is not None:
                marks.append(prefix + walk.end + _AFTER_SLASH)
            marker = min(marks, default=None)
        else:
            if walk.start is not None:
                marks.append(prefix + walk.start)
            marker = max(marks, default=None)
        for key in self._keys(
            prefix, marker=marker, descending=walk.descending, page=walk.page
        ):
            entry = _entry(key.removeprefix(prefix))
            if entry is None:
                LOG.debug("The bank's /indices/%s is no entry of a listing", key)
                continue
            if walk.descending and walk.start is not None and entry.date < walk.start:
                return
            if not walk.descending and walk.end is not None and entry.date > walk.end:
                return
            yield entry

    def _keys(
        self, prefix: str, *, marker: str | None, descending: bool, page: int
    ) -> Iterator[str]:
        while True:
            found = self._section.list_objects(
                prefix=prefix,
                limit=page,
                marker=marker,
                sort_dir="desc" if descending else "asc",
            )
            yield from found
            if len(found) < page:
                return
            marker = found[-1]


def part(value: str) -> str:
    """Any text as one part of a key, different for different texts."""
    quoted = parse.quote(value, safe="")
    return quoted.replace(".", "%2E") if quoted in (".", "..") else quoted


def is_there(section: BankSection, key: str) -> bool:
    """Whether a section has an object of this name, readable or not."""
    return section.list_objects(prefix=key, limit=1) == [key]


def delete_if_there(section: BankSection, key: str) -> None:
    """Delete an object; that it is not there is no error.

    :raises BankDeleteObjectFailed: when it is there and cannot be deleted
    """
    try:
        section.delete_object(key)
    except exception.BankDeleteObjectFailed:
        if is_there(section, key):
            raise


def take(entries: Iterator[Any], limit: int | None) -> list[Any]:
    """The first so many of an iterator, or all."""
    return list(itertools.islice(entries, limit))


def work_key(owner_id: str, checkpoint_id: str) -> str:
    """The key of the entry that an owner works on a checkpoint."""
    return f"in-work/{part(owner_id)}/{checkpoint_id}"


def owner_of(key: str) -> str:
    """Whose work the key of an entry of ``in-work`` is."""
    return parse.unquote(key.split("/")[1])


def work_entry(sealed: Any) -> WorkEntry:
    """The entry that a value of ``in-work`` is.

    :raises KeyError, TypeError, ValueError: when it is none
    """
    value = sealing.unseal(sealed)
    return WorkEntry(
        checkpoint_id=str(value["id"]),
        owner_id=str(value["owner_id"]),
        since=parse_timestamp(value["since"]),
        keys=tuple(str(key) for key in value["keys"]),
    )


def _entry(tail: str) -> Entry | None:
    """The entry that a key's last two parts name; None for anything else."""
    date, _, name = tail.partition("/")
    timestamp, _, checkpoint_id = name.partition("@")
    entry = Entry(timestamp, checkpoint_id)
    return entry if checkpoint_id and entry.date == date else None
