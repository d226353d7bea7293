# SPDX-License-Identifier: Apache-2.0
"""Keys of a bank as names of objects in a container or bucket.

The key ``/a/b`` is the object ``<prefix>a/b``. Both sort by their code points, so a
listing of names is a listing of keys.
"""

import dataclasses
import re

from karbor import exception
from karbor.services.protection.bank import keys
from karbor.services.protection.bank.streams.manifest import DATA

# What a project's chunks are called: see bank.chunks.names.
_CHUNK = re.compile(r"/chunks/[^/]+/data/")
_DATA = "/" + DATA


@dataclasses.dataclass(frozen=True)
class Page:
    """What to ask the store for.

    :param prefix: of names
    :param marker: only names strictly after it in the order asked for; None: all
    """

    prefix: str
    marker: str | None


class Names:
    """Translates keys to names and back.

    :param prefix: what every name begins with; lets several banks share a container
    """

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix

    def name(self, key: str) -> str:
        """The name of a key's object.

        :raises InvalidParameterValue: when it is no key
        """
        return self._prefix + keys.validate(key)[1:]

    def key(self, name: str) -> str | None:
        """The key of a name; None for what someone else has put there."""
        if not name.startswith(self._prefix):
            return None
        try:
            return keys.validate("/" + name[len(self._prefix) :])
        except exception.InvalidParameterValue:
            return None

    def page(
        self, prefix: str | None, marker: str | None, descending: bool
    ) -> Page | None:
        """What to ask for; None when no key can be in such a listing.

        :raises InvalidParameterValue: when no key can begin with the prefix
        """
        prefix = prefix or "/"
        if not prefix.startswith("/"):
            return None
        keys.validate_relative_prefix(prefix[1:])
        name_prefix = self._prefix + prefix[1:]
        if marker is None:
            return Page(name_prefix, None)
        if not marker.startswith("/"):
            # Every key is after it, or none is.
            return Page(name_prefix, None) if (marker < "/") != descending else None
        if marker == "/":
            return None if descending else Page(name_prefix, None)
        return Page(name_prefix, self._prefix + marker[1:])


def is_written_once(key: str) -> bool:
    """Whether an object never changes, so that any replica of it is the newest."""
    return _CHUNK.match(key) is not None or _DATA in key
