# SPDX-License-Identifier: Apache-2.0
"""What the client libraries raise, as one error that says what the service said."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import keystoneauth1.exceptions
import requests
from oslo_utils import importutils

from karbor import exception
from karbor.i18n import _
from karbor.services.protection.clients.repetition import RETRYABLE_STATUSES


def _bases() -> tuple[type[Exception], ...]:
    """Each library has a family of its own, with no common parent."""
    names = (
        "cinderclient.exceptions.ClientException",
        "freezerclient.exceptions.ApiClientException",
        "glanceclient.exc.BaseException",
        "glanceclient.exc.ClientException",
        "manilaclient.exceptions.ClientException",
        "neutronclient.common.exceptions.NeutronException",
        "novaclient.exceptions.ClientException",
        "swiftclient.exceptions.ClientException",
        "troveclient.apiclient.exceptions.ClientException",
    )
    found = []
    for name in names:
        module, _dot, class_name = name.rpartition(".")
        library = importutils.try_import(module)
        if library is not None:
            found.append(getattr(library, class_name))
    return tuple(found)


#: What a call to a service raises, through its client library or below it.
ERRORS: tuple[type[Exception], ...] = (
    *_bases(),
    keystoneauth1.exceptions.ClientException,
    requests.exceptions.RequestException,
    OSError,
)


class ServiceFailed(exception.KarborException):
    """A service refused a call, or could not be asked.

    :param service: as people call it, such as ``Cinder``
    :param action: what it was asked to do, such as ``create volume x``
    :param reason: in the service's own words
    :param status: the HTTP status of its answer; None when there was none
    """

    message = _("%(service)s could not %(action)s: %(reason)s")

    @property
    def status(self) -> int | None:
        """The HTTP status of the answer; None when there was none."""
        status: int | None = self.kwargs.get("status")
        return status

    @property
    def is_missing(self) -> bool:
        """Whether the service knows no such thing."""
        return self.status == HTTPStatus.NOT_FOUND

    @property
    def is_conflict(self) -> bool:
        """Whether the state of the thing, or another of its name, forbids it."""
        return self.status == HTTPStatus.CONFLICT


@contextmanager
def calling(
    service: str, action: str, *, also: tuple[type[Exception], ...] = ()
) -> Iterator[None]:
    """Around calls of one client: what it raises becomes :class:`ServiceFailed`.

    An error of Karbor's own passes as it is.

    :param also: what else this client raises, where its library has no family
    """
    try:
        yield
    except exception.KarborException:
        raise
    except (*ERRORS, *also) as error:
        raise failure(service, action, error) from error


def failure(service: str, action: str, error: Exception) -> ServiceFailed:
    """The error for what a client library raised."""
    status = status_of(error)
    return ServiceFailed(
        service=service,
        action=action,
        reason=str(error) or type(error).__name__,
        status=status,
        retryable=status is None or status in RETRYABLE_STATUSES,
    )


def status_of(error: Any) -> int | None:
    """The HTTP status that an error of any of the libraries carries, or None."""
    for name in ("http_status", "status_code", "code"):
        status = getattr(error, name, None)
        if isinstance(status, int) and status:
            return status
    return None
