# SPDX-License-Identifier: Apache-2.0
"""Streams that the retired Karbor 1.x wrote: objects ``<name>_1`` to ``<name>_N``.

Nothing of them tells a length or a digest. Whoever wrote the stream may know how
many objects it has, and a digest of the whole; a hole among the objects is found here.

Under Python 2 the objects held the data as they are; under Python 3 the data as text,
in JSON, which only data that is UTF-8 survived. A bank plugin gives the first as
``bytes``, or as ``str`` where it happens to be UTF-8, and the second as ``str``: the
UTF-8 of the text is the data in both cases.
"""

import hashlib
import io
import re
from typing import TYPE_CHECKING, Any

from karbor import exception
from karbor.services.protection.bank import keys
from karbor.services.protection.bank.chunks.hashing import SHA256
from karbor.services.protection.bank.streams import targets
from karbor.services.protection.bank.streams.manifest import MANIFESTS, StreamInfo

if TYPE_CHECKING:
    from karbor.services.protection.bank.sections import BankSection


def is_there(section: "BankSection", name: str) -> bool:
    """Whether a section has such a stream, whole or not."""
    return bool(_numbers(section, name))


def is_alone(section: "BankSection", name: str) -> bool:
    """Whether a section has such a stream, and none of ours with that name."""
    key = MANIFESTS + keys.validate_part(name)
    if key in section.list_objects(prefix=key, limit=1):
        return False
    return is_there(section, name)


class LegacyStreamReader(io.RawIOBase):
    """A stream of Karbor 1.x as a file that cannot be written.

    As :class:`~karbor.services.protection.bank.streams.reader.StreamReader`, but that
    nothing is fetched ahead, and that nobody knows whether a byte is what it was.

    :raises BankGetObjectFailed: here or from a read, when the bank does not give an
        object
    :raises BankDataCorrupted: likewise, naming section, stream and object, when one
        is missing or is no data
    """

    def __init__(self, section: "BankSection", name: str) -> None:
        super().__init__()
        self._section = section
        self._name = keys.validate_part(name)
        self._count = self._check_numbers(_numbers(section, name))
        self._taken = 0
        self._length = 0
        self._current = memoryview(b"")
        self._whole = hashlib.sha256()

    @property
    def info(self) -> StreamInfo:
        """What is known of it: length and digest are of what has been read."""
        return StreamInfo(
            name=self._name,
            length=self._length,
            digest=self._whole.hexdigest(),
            hash_name=SHA256,
            chunk_size=0,
            chunk_count=self._count,
            stored_length=self._length,
        )

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        piece = self._take(len(view))
        view[: len(piece)] = piece
        return len(piece)

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            return self.readall()
        pieces = []
        while size and (piece := self._take(size)):
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def readall(self) -> bytes:
        return b"".join(self)

    def write_to(self, file: Any) -> None:
        """As :meth:`StreamReader.write_to
        <karbor.services.protection.bank.streams.reader.StreamReader.write_to>`."""
        target = targets.FileTarget(file)
        for piece in self:
            target.write(piece)
        target.finish()

    def __iter__(self) -> "LegacyStreamReader":
        return self

    def __next__(self) -> bytes:
        self._load()
        piece = self._take(len(self._current))
        if not piece:
            raise StopIteration
        return bytes(piece)

    def _take(self, size: int) -> memoryview:
        """From 1 to ``size`` bytes; none only at the end, or when none are wanted."""
        if self.closed:
            raise ValueError("read of a closed stream")
        if size:
            self._load()
        piece = self._current[:size]
        self._current = self._current[size:]
        self._whole.update(piece)
        self._length += len(piece)
        return piece

    def _load(self) -> None:
        """Have bytes at hand, unless the end is reached."""
        while not self._current and self._taken < self._count:
            self._current = memoryview(self._get(self._taken + 1))
            self._taken += 1

    def _get(self, number: int) -> bytes:
        key = f"{self._name}_{number}"
        try:
            value = self._section.get_object(key)
        except exception.BankGetObjectFailed as error:
            if self._section.list_objects(prefix=key, limit=1) == [key]:
                raise
            raise self._corrupted(f"its object {key} is lost") from error
        if isinstance(value, str):
            return value.encode("utf-8", "surrogatepass")
        if not isinstance(value, bytes):
            raise self._corrupted(
                f"its object {key} is JSON, which Karbor 1.x did not tell from data"
            )
        return value

    def _check_numbers(self, numbers: list[int]) -> int:
        for expected, number in enumerate(numbers, 1):
            if number != expected:
                raise self._corrupted(f"its object {self._name}_{expected} is lost")
        if not numbers:
            raise exception.BankGetObjectFailed(
                key=self._section.prefix + self._name, reason="there is no such stream"
            )
        return len(numbers)

    def _corrupted(self, reason: str) -> exception.BankDataCorrupted:
        return exception.BankDataCorrupted(
            reason=f"stream {self._name!r} of {self._section.prefix}, which Karbor 1.x "
            f"wrote: {reason}"
        )


def _numbers(section: "BankSection", name: str) -> list[int]:
    """The numbers of a stream's objects, in order."""
    shape = re.compile(re.escape(name) + r"_([1-9][0-9]*)")
    found = (shape.fullmatch(key) for key in section.iterate_objects(prefix=f"{name}_"))
    return sorted(int(match[1]) for match in found if match)
