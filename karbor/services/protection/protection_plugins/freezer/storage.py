# SPDX-License-Identifier: Apache-2.0
"""What Freezer has put into its storage, as far as Karbor can see it."""

import functools
from collections.abc import Iterator
from typing import Any

from karbor.context import RequestContext
from karbor.services.protection.client_factory import ClientFactory
from karbor.services.protection.clients.missing import (
    found_or_none,
    is_done_or_missing,
)
from karbor.services.protection.protection_plugins.freezer.settings import (
    FreezerSettings,
)

_SERVICE = "Swift"


class StoredData:
    """The folder of one backup. Only in Swift can Karbor see it, as the same user.

    :param container: as Freezer takes it: a container, a slash, and a prefix
    """

    def __init__(
        self,
        settings: FreezerSettings,
        context: RequestContext,
        storage: str,
        container: str,
    ) -> None:
        self._settings = settings
        self._context = context
        self._container, _slash, folder = container.partition("/")
        self._prefix = f"{folder}/" if folder else ""
        self.is_seen = storage == "swift"

    def size(self) -> int | None:
        """Bytes of all that is there; None where Karbor cannot see it.

        :raises ServiceFailed: when Swift cannot be asked
        """
        if not self.is_seen:
            return None
        return sum(int(one["bytes"]) for one in self._objects(self._swift()))

    def delete(self) -> None:
        """Delete what is there, where Karbor can see it.

        :raises ServiceFailed: when Swift refuses it
        """
        if not self.is_seen:
            return
        swift = self._swift()
        for one in list(self._objects(swift)):
            is_done_or_missing(
                _SERVICE,
                f"delete object {self._container}/{one['name']}",
                functools.partial(swift.delete_object, self._container, one["name"]),
            )

    def _swift(self) -> Any:
        return ClientFactory.create_client("swift", self._context, self._settings.conf)

    def _objects(self, swift: Any) -> Iterator[dict[str, Any]]:
        marker = ""
        while True:
            answer = found_or_none(
                _SERVICE,
                f"list container {self._container}",
                functools.partial(
                    swift.get_container,
                    self._container,
                    prefix=self._prefix,
                    marker=marker,
                ),
            )
            page = answer[1] if answer is not None else []
            if not page:
                return
            yield from page
            marker = page[-1]["name"]
