# SPDX-License-Identifier: Apache-2.0
"""Verifying what a bank keeps of an image's data.

For other plugins too that keep the data of an image.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from karbor import exception
from karbor.common import constants
from karbor.context import RequestContext
from karbor.resource import Resource
from karbor.services.protection.bank.depth import Depth, Level
from karbor.services.protection.protection_plugin import Operation
from karbor.services.protection.protection_plugins.failing import failing
from karbor.services.protection.protection_plugins.image.saved_image import (
    SavedImage,
    check_data,
)
from karbor.services.protection.protection_plugins.records import report

if TYPE_CHECKING:
    from karbor.services.protection.bank_plugin import BankSection

#: Gives the completely protected image that a resource's section keeps, or raises
#: ``BankDataCorrupted``.
Load = Callable[["BankSection"], SavedImage]


class VerifyOperation(Operation):
    """Checks what the bank has, to the depth that the parameters ask for.

    :param name: of what is kept, as people read it
    :param load: finds it
    """

    def __init__(self, name: str, load: Load) -> None:
        self._name = name
        self._load = load

    def on_main(
        self,
        checkpoint: Any,
        resource: Resource,
        context: RequestContext,
        parameters: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        record = kwargs.get("verify")
        report(record, resource, constants.RESOURCE_STATUS_VERIFYING)
        section = checkpoint.get_resource_bank_section(resource.id, is_writable=False)
        section = section.uncached
        progress = kwargs.get("progress")
        with failing(exception.VerifyResourceFailed, self._name, resource, record):
            saved = self._load(section)
            if progress is not None:
                progress.expect(saved.size)
            check_data(section, saved, Depth.from_parameters(parameters), progress)
        report(record, resource, constants.RESOURCE_STATUS_AVAILABLE)


def check_objects(section: "BankSection", saved: SavedImage) -> None:
    """Whether all objects of the data are there.

    :raises BankDataCorrupted: when one is not
    """
    check_data(section, saved, Depth(Level.OBJECTS))
