# SPDX-License-Identifier: Apache-2.0
"""What a person may say about a database, and what is a slip of the pen."""

import pytest

from karbor import exception
from karbor.services.protection.parameters import validate
from karbor.services.protection.protection_plugins.database.database_backup_plugin import (  # noqa: E501
    DatabaseBackupProtectionPlugin,
)
from karbor.services.protection.schemas import PluginSchemas

TYPE = "OS::Trove::Instance"


@pytest.fixture(scope="module")
def schemas():
    made = PluginSchemas()
    made.add(DatabaseBackupProtectionPlugin, TYPE)
    return made


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        ("protect", {"backup_name": "nightly", "incremental": True}),
        ("protect", {"parent_id": "some-id", "swift_container": "dumps"}),
        ("restore", {"restore_name": "again", "restore_volume_size": 5}),
        ("restore", {"restore_nics": [{"network_id": "n", "ip_address": "10.0.0.5"}]}),
        ("verify", {}),
    ],
)
def test_what_the_schemas_name_is_taken(schemas, operation, said):
    assert validate(schemas, operation, {TYPE: said}) == {TYPE: said}


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        ("protect", {"incremental": "perhaps"}),
        ("protect", {"backup_name": "n" * 65}),
        ("restore", {"restore_volume_size": 0}),
        ("restore", {"restore_nics": [{"net-id": "n"}]}),
        ("verify", {"depth": "full"}),
    ],
)
def test_what_means_nothing_is_refused(schemas, operation, said):
    with pytest.raises(exception.InvalidInput):
        validate(schemas, operation, {TYPE: said})
