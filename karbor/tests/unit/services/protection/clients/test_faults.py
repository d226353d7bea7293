# SPDX-License-Identifier: Apache-2.0
"""What client libraries raise becomes one error."""

import types

import cinderclient.exceptions
import freezerclient.exceptions
import glanceclient.exc
import manilaclient.exceptions
import neutronclient.common.exceptions
import novaclient.exceptions
import pytest
import swiftclient.exceptions
import troveclient.apiclient.exceptions

from karbor import exception
from karbor.services.protection.clients.faults import ServiceFailed, calling

MISSING = [
    cinderclient.exceptions.NotFound(404, "no such thing"),
    freezerclient.exceptions.ApiClientException(
        types.SimpleNamespace(status_code=404, text="no such thing")
    ),
    glanceclient.exc.HTTPNotFound("no such thing"),
    manilaclient.exceptions.NotFound("no such thing"),
    neutronclient.common.exceptions.NotFound("no such thing"),
    novaclient.exceptions.NotFound(404, "no such thing"),
    swiftclient.exceptions.ClientException("no such thing", http_status=404),
    troveclient.apiclient.exceptions.NotFound("no such thing"),
]


@pytest.mark.parametrize("error", MISSING, ids=lambda error: type(error).__module__)
def test_each_library_is_understood(error):
    with pytest.raises(ServiceFailed) as caught, calling("Service", "show x"):
        raise error
    assert caught.value.is_missing
    assert not caught.value.retryable
    assert str(caught.value).startswith("Service could not show x: ")
    assert "no such thing" in str(caught.value)


def test_a_connection_that_fails_may_be_tried_again():
    with pytest.raises(ServiceFailed, match="refused") as caught, calling("S", "x"):
        raise ConnectionRefusedError("refused")
    assert caught.value.status is None
    assert caught.value.retryable


def test_errors_of_karbor_and_defects_pass():
    with pytest.raises(exception.InvalidInput), calling("S", "x"):
        raise exception.InvalidInput(reason="r")
    with pytest.raises(ZeroDivisionError), calling("S", "x"):
        raise ZeroDivisionError
