# SPDX-License-Identifier: Apache-2.0
"""Checking what Karbor 1.x kept of a resource, as far as its format allows."""

import hashlib
import re
from collections.abc import Callable, Iterable
from typing import Any

from karbor import exception
from karbor.services.protection.administration.checking import raise_if_away
from karbor.services.protection.administration.depth import Depth
from karbor.services.protection.administration.findings import Kind, Report
from karbor.services.protection.bank.sections import BankSection
from karbor.services.protection.bank.streams.legacy import LegacyStreamReader

#: Takes ``kind``, ``reason``, ``key`` (in the section) and ``stream``.
Damaged = Callable[[Kind, str, str, str], None]

_NUMBERED = re.compile(r"([^/]+)_[1-9][0-9]*")
_METADATA = "metadata"


def stream_of(key: str) -> str | None:
    """The stream that an object seems to be of; None for other objects."""
    match = _NUMBERED.fullmatch(key)
    return None if match is None else match[1]


class LegacyCheck:
    """Looks at the streams of one resource.

    An image has the number of its objects and an MD5 of the whole in the object
    ``metadata``. Of other streams only a hole can be found.

    :param damaged: told what is wrong
    """

    def __init__(
        self, section: BankSection, depth: Depth, report: Report, damaged: Damaged
    ) -> None:
        self._section = section
        self._depth = depth
        self._report = report
        self._damaged = damaged

    def run(self, names: Iterable[str]) -> None:
        """
        :param names: of the streams that there are objects of
        :raises BankException: when the bank cannot be asked now
        """
        expected, digest = self._described()
        if expected and "data" not in names:
            self._damaged(
                Kind.STREAM, f"all of its {expected} objects are lost", "data_1", "data"
            )
        for name in sorted(names):
            is_image = name == "data"
            try:
                self._check(
                    name, expected if is_image else None, digest if is_image else None
                )
            except exception.BankException as error:
                raise_if_away(error)
                self._damaged(Kind.STREAM, str(error), f"{name}_1", name)

    def _check(self, name: str, expected: int | None, digest: str | None) -> None:
        with LegacyStreamReader(self._section, name) as stream:
            self._report.streams += 1
            count = stream.info.chunk_count
            self._report.chunks += count
            if expected not in (None, count):
                reason = f"it has {count} objects instead of {expected}"
                self._damaged(Kind.STREAM, reason, f"{name}_{count}", name)
                return
            if not self._depth.is_full:
                return
            made = hashlib.md5(usedforsecurity=False)
            for piece in stream:
                made.update(piece)
                self._report.bytes_read += len(piece)
            if digest is not None and made.hexdigest() != digest:
                reason = f"its MD5 is {made.hexdigest()} instead of {digest}"
                self._damaged(Kind.STREAM, reason, f"{name}_1", name)

    def _described(self) -> tuple[int | None, str | None]:
        """How many objects an image has, and its MD5, as far as they are known."""
        try:
            found: Any = self._section.get_object(_METADATA)
            count = found.get("chunks_num")
            digest = (found.get("image_metadata") or {}).get("checksum")
        except exception.BankGetObjectFailed as error:
            raise_if_away(error)
            return None, None
        except AttributeError:
            return None, None
        return (
            count if isinstance(count, int) else None,
            digest if isinstance(digest, str) else None,
        )
