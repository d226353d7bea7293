# SPDX-License-Identifier: Apache-2.0
"""Checking one stream: all that is damaged of it, not only the first."""

import collections
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from karbor import exception
from karbor.services.protection.administration.depth import Depth
from karbor.services.protection.administration.findings import Kind, Report
from karbor.services.protection.bank.sections import BankSection
from karbor.services.protection.bank.streams import manifest
from karbor.services.protection.bank.streams.stored import PlacedChunk, StoredStream
from karbor.services.protection.bank.walking import Presence

#: Takes ``kind``, ``reason``, ``key`` (in the section), and ``chunk`` if it is one.
Damaged = Callable[..., None]


class StreamCheck:
    """Looks at one stream once.

    :param section: that has the stream
    :param damaged: told what is wrong
    :param leftover: told keys of the stream's data that no page names
    :param report: counts what is looked at
    :param size_of: the size of a ``bytes`` object by its key in the bank, as far as
        the bank's plugin can say; else None
    :param executor: reads chunks
    """

    def __init__(
        self,
        section: BankSection,
        name: str,
        *,
        depth: Depth,
        damaged: Damaged,
        leftover: Callable[[str], None],
        report: Report,
        size_of: Callable[[str], int | None],
        executor: Executor,
    ) -> None:
        self._section = section
        self._name = name
        self._depth = depth
        self._damaged = damaged
        self._leftover = leftover
        self._report = report
        self._size_of = size_of
        self._executor = executor
        self._reading: collections.deque[tuple[PlacedChunk, Future[bytes]]] = (
            collections.deque()
        )
        self._whole: Any = None
        self._hashed = 0

    def run(self) -> str | None:
        """Look at all of it.

        :returns: the attempt whose data it is, None when the manifest is damaged
        """
        key = manifest.MANIFESTS + self._name
        try:
            stored = StoredStream(self._section, self._name)
        except exception.BankException as error:
            raise_if_away(error)
            self._damaged(Kind.STREAM, detail(error), key)
            return None
        self._report.streams += 1
        if self._depth.is_full:
            self._whole = stored.hash.new()
        try:
            self._look_at(stored)
        finally:
            for _, future in self._reading:
                future.cancel()
            self._reading.clear()
        if (
            self._whole is not None
            and self._hashed == stored.info.chunk_count
            and self._whole.hexdigest() != stored.info.digest
        ):
            reason = "the digest of the whole is not the manifest's"
            self._damaged(Kind.STREAM, reason, key)
        return stored.manifest.attempt

    def _look_at(self, stored: StoredStream) -> None:
        folder = f"{manifest.DATA}{self._name}/{stored.manifest.attempt}/"
        there = Presence(self._section, folder)
        options = self._section.bank.stream_options
        ahead = max(1, options.max_bytes_in_flight // stored.info.chunk_size)
        unknown: list[str] = []
        for number, page in enumerate(stored.manifest.pages):
            try:
                chunks = stored.page(number)
            except exception.BankException as error:
                raise_if_away(error)
                self._damaged(Kind.STREAM, detail(error), page.key)
                # Nobody can say whether what is in it belongs there.
                unknown.append(f"{folder}{number:06}/")
                continue
            for placed in chunks:
                if self._needs_reading(placed, there):
                    self._read(stored, placed, ahead)
            self._report_unexpected(there.take_unexpected(), unknown)
        while self._reading:
            self._take()
        for page in stored.manifest.pages:
            there.has(page.key)
        self._report_unexpected(list(there.rest()), unknown)

    def _needs_reading(self, placed: PlacedChunk, there: Presence) -> bool:
        """Look at what can be told of a chunk without reading it."""
        self._report.chunks += 1
        chunk = placed.chunk
        is_taken = self._depth.takes()
        if is_taken or chunk.key is None:
            if chunk.key is not None:
                there.has(chunk.key)
            return is_taken
        if not there.has(chunk.key):
            # A bank may list late; reading it tells.
            return True
        try:
            size = self._size_of(self._section.prefix + chunk.key)
        except exception.BankException as error:
            raise_if_away(error)
            self._damaged(Kind.CHUNK, detail(error), chunk.key, placed.index)
            return False
        if size is not None and size != chunk.stored_length:
            reason = f"{size} bytes are stored instead of {chunk.stored_length}"
            self._damaged(Kind.CHUNK, reason, chunk.key, placed.index)
        return False

    def _read(self, stored: StoredStream, placed: PlacedChunk, ahead: int) -> None:
        while len(self._reading) >= ahead:
            self._take()
        self._reading.append((placed, self._executor.submit(stored.read, placed)))

    def _take(self) -> None:
        placed, future = self._reading.popleft()
        try:
            data = future.result()
        except exception.BankException as error:
            raise_if_away(error)
            reason = detail(error).removeprefix(f"chunk {placed.index}: ")
            self._damaged(Kind.CHUNK, reason, placed.chunk.key, placed.index)
            return
        self._report.bytes_read += len(data)
        # In order only while nothing is missing; the chunks' own digests tell the rest.
        if self._whole is not None and self._hashed == placed.index:
            self._whole.update(data)
            self._hashed += 1

    def _report_unexpected(self, keys: list[str], unknown: list[str]) -> None:
        for key in keys:
            if not key.startswith(tuple(unknown)):
                self._leftover(key)


def raise_if_away(error: exception.BankException) -> None:
    """Tell a bank that cannot be asked from one whose object is damaged.

    :raises BankException: the error, when trying again may help
    """
    if error.retryable or isinstance(error, exception.BankListObjectsFailed):
        raise error


def detail(error: exception.BankException) -> str:
    """What is wrong, for a finding, which names the stream itself."""
    return str(error.kwargs.get("detail") or error)
