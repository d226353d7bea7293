# SPDX-License-Identifier: Apache-2.0
"""What a hook raises and tells its record when something of the cloud fails it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from karbor import exception
from karbor.common import constants
from karbor.resource import Resource
from karbor.services.protection.protection_plugins.records import report


@contextmanager
def failing(
    error_class: type[exception.KarborException],
    name: str,
    resource: Resource,
    record: Any = None,
) -> Iterator[None]:
    """Around a hook's work, waits included: name the resource in what is raised.

    :param error_class: ``CreateResourceFailed`` for protecting and copying,
        ``RestoreResourceFailed``, ``VerifyResourceFailed`` or ``DeleteResourceFailed``
    :param name: of what is done, as people read it: ``Volume Backup``
    :param record: the restore or verification that is told of the failure
    :raises KarborException: of that class, for any of Karbor's own errors
    """
    try:
        yield
    except error_class:
        raise
    except exception.KarborException as error:
        report(record, resource, constants.RESOURCE_STATUS_ERROR, str(error))
        raise error_class(
            name=name,
            reason=error,
            resource_id=resource.id,
            resource_type=resource.type,
        ) from error
