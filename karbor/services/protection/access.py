# SPDX-License-Identifier: Apache-2.0
"""Whose checkpoint is it: the check that every method makes."""

from typing import Protocol

from karbor import exception
from karbor.context import RequestContext


class Owned(Protocol):
    """Anything that belongs to a project."""

    @property
    def id(self) -> str: ...

    @property
    def project_id(self) -> str: ...


def check_access(
    context: RequestContext,
    checkpoint: Owned,
    refusal: type[exception.NotAuthorized],
) -> None:
    """Let the owner's project and admins pass.

    :param refusal: the error class that the method declares
    :raises refusal: for anyone else
    """
    if not context.is_admin and checkpoint.project_id != context.project_id:
        raise refusal(checkpoint_id=checkpoint.id)
