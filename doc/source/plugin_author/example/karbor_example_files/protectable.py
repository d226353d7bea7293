# SPDX-License-Identifier: Apache-2.0
"""Finds the files of a project."""

from karbor import exception
from karbor.common import constants
from karbor.resource import Resource
from karbor.services.protection.protectable_plugin import ProtectablePlugin
from karbor_example_files.folder import Folder

FILE_RESOURCE_TYPE = "Example::File"


class FileProtectablePlugin(ProtectablePlugin):
    """``Example::File``; a project depends on all of its files."""

    def get_resource_type(self):
        return FILE_RESOURCE_TYPE

    def get_parent_resource_types(self):
        return (constants.PROJECT_RESOURCE_TYPE,)

    def list_resources(self, context, parameters=None):
        return self._files(context.project_id)

    def show_resource(self, context, resource_id, parameters=None):
        for resource in self._files(context.project_id):
            if resource.id == resource_id:
                return resource
        return None

    def get_dependent_resources(self, context, parent_resource):
        return self._files(parent_resource.id)

    def _files(self, project_id):
        try:
            names = Folder(self._conf, project_id).names()
        except OSError as error:
            raise exception.ListProtectableResourceFailed(
                type=FILE_RESOURCE_TYPE, reason=error
            ) from error
        return [Resource(FILE_RESOURCE_TYPE, name, name) for name in names]
