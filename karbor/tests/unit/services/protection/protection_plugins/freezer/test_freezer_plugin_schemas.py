# SPDX-License-Identifier: Apache-2.0
"""What a person may say about a Freezer backup, and what is a slip of the pen."""

import pytest

from karbor import exception
from karbor.services.protection.parameters import validate
from karbor.services.protection.protection_plugins.freezer.plugins import (
    FreezerProtectionPlugin,
)
from karbor.services.protection.schemas import PluginSchemas

TYPE = "OS::Cinder::Volume"


@pytest.fixture(scope="module")
def schemas():
    made = PluginSchemas()
    made.add(FreezerProtectionPlugin, TYPE)
    return made


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        ("protect", {"backup_name": "nightly", "description": "why"}),
        ("restore", {"restore_name": "again"}),
        ("verify", {}),
    ],
)
def test_what_the_schemas_name_is_taken(schemas, operation, said):
    assert validate(schemas, operation, {TYPE: said}) == {TYPE: said}


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        ("protect", {"backup_nmae": "nightly"}),
        ("restore", {"restore_name": 1}),
        ("verify", {"depth": "full"}),
    ],
)
def test_what_means_nothing_is_refused(schemas, operation, said):
    with pytest.raises(exception.InvalidInput):
        validate(schemas, operation, {TYPE: said})
