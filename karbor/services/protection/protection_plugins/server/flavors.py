# SPDX-License-Identifier: Apache-2.0
"""The flavors of a Nova, listed once in an operation, however many servers it has."""

import weakref
from collections.abc import Mapping

from karbor.context import RequestContext
from karbor.services.protection.protection_plugins.server.settings import Cloud


class FlavorIds:
    """The ids of flavors by their names, as each caller sees them.

    All hooks of an operation have one context, and with it ends what is known by it.
    Hooks in several threads may list at once, and get the same.
    """

    def __init__(self) -> None:
        self._known: weakref.WeakKeyDictionary[RequestContext, dict[str, str]] = (
            weakref.WeakKeyDictionary()
        )

    def of(self, cloud: Cloud, context: RequestContext) -> Mapping[str, str]:
        """
        :raises ServiceFailed: when Nova cannot be asked
        """
        known = self._known.get(context)
        if known is None:
            known = {one["name"]: one["id"] for one in cloud.compute.flavors()}
            self._known[context] = known
        return known
