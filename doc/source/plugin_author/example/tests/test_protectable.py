# SPDX-License-Identifier: Apache-2.0
"""The protectable plugin keeps the contract."""

import pytest
from karbor_example_files import folder
from karbor_example_files.protectable import FILE_RESOURCE_TYPE, FileProtectablePlugin

from karbor.common import constants
from karbor.resource import Resource
from karbor.tests.conformance.configuration import empty_configuration
from karbor.tests.conformance.protectable import ProtectableConformance


class TestFileProtectable(ProtectableConformance):
    plugin_class = FileProtectablePlugin

    @pytest.fixture
    def conf(self, tmp_path):
        conf = empty_configuration()
        conf.register_opts(folder.OPTS, folder.GROUP)
        conf.set_override("path", str(tmp_path), folder.GROUP)
        return conf

    @pytest.fixture
    def existing(self, conf, context):
        path = folder.Folder(conf, context.project_id).path
        for name in ("one", "two"):
            (path / name).write_text(name)
        return [Resource(FILE_RESOURCE_TYPE, name, name) for name in ("one", "two")]

    @pytest.fixture
    def parents(self, context):
        return [Resource(constants.PROJECT_RESOURCE_TYPE, context.project_id, None)]

    @pytest.fixture
    def unreachable(self, conf, tmp_path):
        conf.set_override("path", str(tmp_path / "not there"), folder.GROUP)
