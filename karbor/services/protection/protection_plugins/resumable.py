# SPDX-License-Identifier: Apache-2.0
"""Writing down what is about to be made, so that a hook may run twice.

A hook that makes something outside the bank asks for a :class:`Note` first. The note
is in the resource's bank section before the thing is made, and its token is on the
thing, as its id, its name or its metadata. Whoever runs the hook again, in whatever
process, gets the same note and finds what is there already; whoever reverts knows
what to delete::

    notes = Notes(section, operation_id=restore.id)
    note = notes.take("image")
    image = find(note.token) or make(note.token)
    ...
    notes.finish(note)      # at the end of on_main: what was made is good
    notes.forget("image")   # in on_complete, when nothing will run again
"""

import dataclasses
import uuid
from typing import TYPE_CHECKING, Any

from karbor import exception

if TYPE_CHECKING:
    from karbor.services.protection.bank_plugin import BankSection

_FOLDER = "notes"

_PROTECT, _DELETE = "protect", "delete"


@dataclasses.dataclass(frozen=True)
class Note:
    """What one hook makes.

    :param name: of the thing, within its operation and resource
    :param token: a UUID that the made thing carries
    :param finished: whether it was made completely
    :param is_new: whether it was written just now, and nothing can carry its token
    """

    name: str
    token: str
    finished: bool = False
    is_new: bool = dataclasses.field(default=False, compare=False)


def mark_of(token: str) -> str:
    """What carries a note's token in the cloud: a name, or part of a description."""
    return f"karbor-{token}"


def protect_notes(section: "BankSection") -> "Notes":
    """What a protection notes about one resource; a checkpoint is protected once."""
    return Notes(section, _PROTECT)


def restore_notes(section: "BankSection", record: Any) -> "Notes":
    """What a restore notes about one resource.

    :param record: of the restore; None outside an operation
    """
    return Notes(section, "restore" if record is None else str(record.id))


def delete_notes(section: "BankSection") -> "Notes":
    """What the deletion of a checkpoint notes about one resource."""
    return Notes(section, _DELETE)


def noted_restores(section: "BankSection") -> "list[Notes]":
    """What restores have noted about one resource that did not come to their ends."""
    keys = section.list_objects(prefix=f"{_FOLDER}/")
    operations = {key.split("/")[1] for key in keys} - {_PROTECT, _DELETE}
    return [Notes(section, operation_id) for operation_id in sorted(operations)]


def has_notes(section: "BankSection") -> bool:
    """Whether an operation on one resource did not come to its end."""
    return bool(section.list_objects(prefix=f"{_FOLDER}/", limit=1))


def forget_all(section: "BankSection") -> None:
    """Remove the notes of all operations, where none of them will run again."""
    for key in section.list_objects(prefix=f"{_FOLDER}/"):
        section.delete_object(key)


class Notes:
    """The notes of one operation on one resource.

    :param section: the resource's section, writable
    :param operation_id: what tells this operation from others on the same
        checkpoint, such as the id of the restore
    """

    def __init__(self, section: "BankSection", operation_id: str) -> None:
        self._section = section
        self._folder = f"{_FOLDER}/{operation_id}/"

    def find(self, name: str) -> Note | None:
        """The note that was taken, or None."""
        key = self._folder + name
        if key not in self._section.list_objects(prefix=key):
            return None
        saved = self._section.get_object(key)
        return Note(name, saved["token"], saved["finished"])

    def take(self, name: str) -> Note:
        """The note that was taken before, or a new one, durable when this returns."""
        return self.find(name) or self.renew(name)

    def renew(self, name: str) -> Note:
        """A note with a new token, when what carried the old one is of no use."""
        note = Note(name, str(uuid.uuid4()), is_new=True)
        self._write(note)
        return note

    def finish(self, note: Note) -> Note:
        """Note that the thing was made completely, so that a revert keeps it."""
        finished = dataclasses.replace(note, finished=True, is_new=False)
        self._write(finished)
        return finished

    def forget(self, name: str) -> None:
        """Remove the note, if there is one."""
        try:
            self._section.delete_object(self._folder + name)
        except exception.BankDeleteObjectFailed:
            if self.find(name) is not None:
                raise

    def _write(self, note: Note) -> None:
        self._section.update_object(
            self._folder + note.name,
            {"token": note.token, "finished": note.finished},
        )
