# SPDX-License-Identifier: Apache-2.0
"""Refusing to copy what is not in the bank."""

from typing import Any

from karbor import exception
from karbor.context import RequestContext
from karbor.i18n import _
from karbor.resource import Resource
from karbor.services.protection.protection_plugin import Operation


class UncopiedOperation(Operation):
    """The copy operation of a plugin whose data stays in the service that made it.

    A copied section would name the same snapshot or backup as its source: deleting
    either checkpoint would take the data from both. So it fails before anything is
    copied, and says what helps.

    :param what: keeps the data, as people read it: ``a snapshot in Manila``
    :param instead: what to do, as a whole sentence
    """

    def __init__(self, what: str, instead: str) -> None:
        self._what = what
        self._instead = instead

    def on_prepare_begin(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        raise exception.CreateResourceFailed(
            name="Copy",
            reason=_(
                "the data of '%(name)s' is not in the bank but in %(what)s, and cannot "
                "be copied into another bank. %(instead)s"
            )
            % {
                "name": resource.name,
                "what": self._what,
                "instead": self._instead,
            },
            resource_id=resource.id,
            resource_type=resource.type,
        )
