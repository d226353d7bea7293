# SPDX-License-Identifier: Apache-2.0
"""What a person may say about a share, and what is a slip of the pen."""

import pytest

from karbor import exception
from karbor.services.protection.parameters import validate
from karbor.services.protection.protection_plugins.share.share_snapshot_plugin import (
    ManilaSnapshotProtectionPlugin,
)
from karbor.services.protection.schemas import PluginSchemas

TYPE = "OS::Manila::Share"


@pytest.fixture(scope="module")
def schemas():
    made = PluginSchemas()
    made.add(ManilaSnapshotProtectionPlugin, TYPE)
    return made


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        ("protect", {"snapshot_name": "nightly", "description": "why", "force": True}),
        ("protect", {"snapshot_name": None}),
        ("restore", {"restore_name": "again", "restore_access_rules": False}),
        ("verify", {}),
    ],
)
def test_what_the_schemas_name_is_taken(schemas, operation, said):
    assert validate(schemas, operation, {TYPE: said}) == {TYPE: said}


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        ("protect", {"snapshot_nmae": "nightly"}),
        ("protect", {"force": "perhaps"}),
        ("restore", {"restore_name": 1}),
        ("verify", {"depth": "full"}),
    ],
)
def test_what_means_nothing_is_refused(schemas, operation, said):
    with pytest.raises(exception.InvalidInput):
        validate(schemas, operation, {TYPE: said})
