# SPDX-License-Identifier: Apache-2.0
"""Telling a restore's or verification's record about one resource."""

from typing import Any

from karbor.resource import Resource


def report(record: Any, resource: Resource, status: str, reason: str = "") -> None:
    """Set the status of a resource in a record and save it.

    :param record: the ``restore`` or ``verify`` of a hook's kwargs; None when the
        hook is called outside an operation
    :param reason: what a person reads when the status is an error
    """
    if record is None:
        return
    record.update_resource_status(resource.type, resource.id, status, reason)
    record.save()
