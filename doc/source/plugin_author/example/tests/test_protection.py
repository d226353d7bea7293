# SPDX-License-Identifier: Apache-2.0
"""The protection plugin keeps the contract."""

import pytest
from karbor_example_files import folder
from karbor_example_files.protectable import FILE_RESOURCE_TYPE
from karbor_example_files.protection import FileProtectionPlugin

from karbor.resource import Resource
from karbor.tests.conformance.protection import ProtectionConformance

CONTENT = b"what is in the file\n" * 1000


class TestFileProtection(ProtectionConformance):
    @pytest.fixture
    def plugin(self, conf, tmp_path):
        conf.register_opts(folder.OPTS, folder.GROUP)
        conf.set_override("path", str(tmp_path), folder.GROUP)
        return FileProtectionPlugin(conf)

    @pytest.fixture
    def resource(self, plugin, conf, context):
        self.path = folder.Folder(conf, context.project_id).path
        (self.path / "notes.txt").write_bytes(CONTENT)
        return Resource(FILE_RESOURCE_TYPE, "notes.txt", "notes.txt")

    def lose(self, resource):
        (self.path / resource.id).unlink()

    def check_restored(self, resource, new_id):
        assert (self.path / new_id).read_bytes() == CONTENT
