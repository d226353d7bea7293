# SPDX-License-Identifier: Apache-2.0
"""What a person may say about an image, and what is a slip of the pen."""

import pytest

from karbor import exception
from karbor.services.protection.parameters import validate
from karbor.services.protection.protection_plugins.image.image_protection_plugin import (  # noqa: E501
    GlanceProtectionPlugin,
)
from karbor.services.protection.schemas import PluginSchemas

IMAGE = "OS::Glance::Image"


@pytest.fixture(scope="module")
def schemas():
    made = PluginSchemas()
    made.add(GlanceProtectionPlugin, IMAGE)
    return made


def test_what_the_schemas_name_is_taken(schemas):
    for operation, said in (
        ("protect", {IMAGE: {"backup_name": "nightly"}}),
        ("restore", {IMAGE: {"restore_name": "again"}}),
        ("verify", {IMAGE: {}}),
    ):
        assert validate(schemas, operation, said) == said


@pytest.mark.parametrize("operation", ["protect", "restore", "verify"])
def test_a_name_that_means_nothing_is_refused(schemas, operation):
    with pytest.raises(exception.InvalidInput, match="restore_nmae"):
        validate(schemas, operation, {IMAGE: {"restore_nmae": "again"}})
