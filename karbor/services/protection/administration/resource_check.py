# SPDX-License-Identifier: Apache-2.0
"""Checking what a checkpoint keeps of one resource."""

from collections.abc import Callable
from typing import Any

from karbor import exception
from karbor.services.protection.administration import legacy_check
from karbor.services.protection.administration.checking import (
    Checking,
    raise_if_away,
)
from karbor.services.protection.administration.findings import Kind
from karbor.services.protection.administration.stream_check import StreamCheck
from karbor.services.protection.bank.sections import BankSection
from karbor.services.protection.bank.streams import manifest
from karbor.services.protection.bank.walking import Walk, names_below
from karbor.services.protection.checkpoints.inventory import ResourceInventory

_DATA = "/" + manifest.DATA
_MANIFESTS = "/" + manifest.MANIFESTS


class ResourceCheck:
    """Looks at one resource once.

    :param section: of the resource
    :param add: told ``kind``, ``reason`` and ``key`` (in the bank) of what is found,
        and ``stream`` and ``chunk`` where they are known
    :param is_whole: the checkpoint is available, so nothing may be missing
    :param is_old: Karbor 1.x made the checkpoint
    :param expected: what it must keep, as far as that is known
    """

    def __init__(
        self,
        section: BankSection,
        checking: Checking,
        add: Callable[..., None],
        *,
        is_whole: bool,
        is_old: bool,
        expected: ResourceInventory | None,
    ) -> None:
        self._section = section
        self._checking = checking
        self._add = add
        self._is_whole = is_whole
        self._is_old = is_old
        self._missing_objects = set(expected.objects if expected else ())
        self._missing_streams = set(expected.streams if expected else ())
        #: Of each stream with a manifest the attempt that it names, None when it
        #: cannot be read.
        self._attempts: dict[tuple[str, str], str | None] = {}
        self._legacy_streams: set[str] = set()

    def run(self) -> None:
        """
        :raises BankException: when the bank cannot be asked now
        """
        walk = Walk(self._section, "")
        for key in walk:
            # With the section's own "/", streams at any depth look the same.
            path = "/" + key
            if _DATA in path:
                folder, _, rest = path.partition(_DATA)
                name = rest.partition("/")[0]
                walk.skip((folder + _DATA)[1:] + name)
                self._check_attempts(folder, name)
            elif _MANIFESTS in path:
                self._missing_streams.discard(key)
                folder, _, name = path.partition(_MANIFESTS)
                self._attempts[folder, name] = self._check_stream(folder, name)
            elif self._is_old and (stream := legacy_check.stream_of(key)):
                self._legacy_streams.add(stream)
            else:
                self._missing_objects.discard(key)
                self._check_object(key)
        if self._is_old and self._is_whole:
            self._check_legacy_streams()
        for key in filter(self._is_lost, sorted(self._missing_objects)):
            self._add(Kind.OBJECT, "it is lost", self._section.prefix + key)
        for key in filter(self._is_lost, sorted(self._missing_streams)):
            self._add(
                Kind.STREAM,
                "its manifest is lost",
                self._section.prefix + key,
                stream=("/" + key).partition(_MANIFESTS)[2],
            )

    def _check_stream(self, folder: str, name: str) -> str | None:
        def add(kind: Kind, reason: str, key: str, chunk: int | None = None) -> None:
            self._add(kind, reason, key, stream=name, chunk=chunk)

        return StreamCheck(self._place(folder), name, self._checking, add).run()

    def _check_legacy_streams(self) -> None:
        def damaged(kind: Kind, reason: str, key: str, stream: str) -> None:
            self._add(kind, reason, self._section.prefix + key, stream=stream)

        legacy_check.LegacyCheck(
            self._section, self._checking.depth, self._checking.report, damaged
        ).run(self._legacy_streams)

    def _check_attempts(self, folder: str, name: str) -> None:
        """Look at the data of a stream for what its manifest does not name."""
        place = self._place(folder)
        data = f"{manifest.DATA}{name}/"
        if (folder, name) not in self._attempts:
            if not self._is_whole:
                reason = "data of a stream that was not finished, or is half deleted"
                self._add(Kind.LEFTOVER, reason, place.prefix + data, stream=name)
                return
            key = place.prefix + manifest.MANIFESTS + name
            relative = key.removeprefix(self._section.prefix)
            self._missing_streams.discard(relative)
            if self._is_lost(relative):
                reason = "there is data of the stream, but its manifest is lost"
                self._add(Kind.STREAM, reason, key, stream=name)
            else:
                self._check_stream(folder, name)
            return
        used = self._attempts[folder, name]
        if used is None:
            return
        for attempt in names_below(place, data):
            if attempt != used:
                self._add(
                    Kind.LEFTOVER,
                    "data of an attempt that failed or was replaced",
                    f"{place.prefix}{data}{attempt}/",
                    stream=name,
                )

    def _check_object(self, key: str) -> None:
        self._checking.report.objects += 1
        if not self._checking.depth.takes():
            return
        try:
            value: Any = self._section.get_object(key)
        except exception.BankGetObjectFailed as error:
            raise_if_away(error)
            self._add(Kind.OBJECT, str(error), self._section.prefix + key)
            return
        if isinstance(value, bytes):
            self._checking.report.bytes_read += len(value)

    def _is_lost(self, key: str) -> bool:
        """Whether an object that was not listed is not there: a bank may list late."""
        try:
            self._section.get_object(key)
        except exception.BankGetObjectFailed as error:
            raise_if_away(error)
            return True
        return False

    def _place(self, folder: str) -> BankSection:
        """The section that has the streams of a folder; the folder is in this one."""
        return self._section.get_sub_section(folder) if folder else self._section
