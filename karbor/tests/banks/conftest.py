# SPDX-License-Identifier: Apache-2.0
"""One object store of each kind for all tests; a container of its own for each."""

import uuid

import pytest

from karbor.tests.banks.sql_databases import (
    ask_sql,
    make_sql_bank,
    sql_kind,
    sql_server,
    sql_servers,
    sql_url,
)
from karbor.tests.servers.s3 import Moto
from karbor.tests.servers.swift import Swift

__all__ = [
    "ask_sql",
    "make_sql_bank",
    "sql_kind",
    "sql_server",
    "sql_servers",
    "sql_url",
]


@pytest.fixture(scope="session")
def swift_server():
    with Swift() as server:
        yield server


@pytest.fixture(scope="session")
def moto_server():
    with Moto() as server:
        yield server


@pytest.fixture(scope="module", params=["swift", "moto"])
def s3_server(request):
    """Each server that speaks S3."""
    return request.getfixturevalue(f"{request.param}_server")


@pytest.fixture
def own_swift():
    """A Swift that the test may stop."""
    with Swift() as server:
        yield server


@pytest.fixture
def container():
    """The name of a container or bucket that no other test uses."""
    return f"bank-{uuid.uuid4().hex}"
