# SPDX-License-Identifier: Apache-2.0
"""Protects files of a folder, named by ``KARBOR_TEST_DISKS``, as if they were disks.

A restore makes ``<id>.restored``.
"""

import os
import pathlib

from karbor.resource import Resource
from karbor.services.protection import protectable_plugin, protection_plugin
from karbor.services.protection.bank import depth

TYPE = "Test::Disk"
PLUGIN = "test-disk-plugin"
_STREAM = "disk"


def _path(name):
    return pathlib.Path(os.environ["KARBOR_TEST_DISKS"]) / name


def _section(checkpoint, resource, **kwargs):
    return checkpoint.get_resource_bank_section(resource.id, **kwargs)


class ProtectDisk(protection_plugin.Operation):
    def on_main(self, checkpoint, resource, context, parameters, **kwargs):
        section = _section(checkpoint, resource)
        with _path(resource.id).open("rb") as data:
            section.write_stream(_STREAM, data, progress=kwargs["progress"])
        section.update_object("metadata", {"name": resource.name})


class RestoreDisk(protection_plugin.Operation):
    def on_main(self, checkpoint, resource, context, parameters, **kwargs):
        section = _section(checkpoint, resource, is_writable=False)
        with (
            section.open_stream(_STREAM) as stream,
            _path(f"{resource.id}.restored").open("wb") as data,
        ):
            for piece in stream:
                data.write(piece)


class VerifyDisk(protection_plugin.Operation):
    def on_main(self, checkpoint, resource, context, parameters, **kwargs):
        section = _section(checkpoint, resource, is_writable=False)
        section.verify_stream(
            _STREAM,
            depth=depth.Depth.from_parameters(parameters),
            progress=kwargs["progress"],
        )


class CopyDisk(protection_plugin.Operation):
    def on_main(self, checkpoint, resource, context, parameters, **kwargs):
        source = _section(checkpoint, resource, is_writable=False)
        target = _section(kwargs["checkpoint_copy"], resource)
        source.copy_to(target, progress=kwargs["progress"])


class DeleteDisk(protection_plugin.Operation):
    def on_main(self, checkpoint, resource, context, parameters, **kwargs):
        _section(checkpoint, resource).delete_all()


class DiskProtectionPlugin(protection_plugin.ProtectionPlugin):
    def get_protect_operation(self, resource):
        return ProtectDisk()

    def get_restore_operation(self, resource):
        return RestoreDisk()

    def get_verify_operation(self, resource):
        return VerifyDisk()

    def get_copy_operation(self, resource):
        return CopyDisk()

    def get_delete_operation(self, resource):
        return DeleteDisk()

    @classmethod
    def get_supported_resources_types(cls):
        return [TYPE]

    @classmethod
    def get_options_schema(cls, resource_type):
        return {
            "type": "object",
            "properties": {"level": {"type": "integer"}},
            "additionalProperties": False,
        }

    @classmethod
    def get_restore_schema(cls, resource_type):
        return {}

    @classmethod
    def get_verify_schema(cls, resource_type):
        return {
            "type": "object",
            "properties": depth.PROPERTIES,
            "additionalProperties": False,
        }

    get_saved_info_schema = get_restore_schema


class DiskProtectablePlugin(protectable_plugin.ProtectablePlugin):
    def get_resource_type(self):
        return TYPE

    def get_parent_resource_types(self):
        return ()

    def list_resources(self, context, parameters=None):
        return [Resource(TYPE, path.name, path.name) for path in _path("").iterdir()]

    def show_resource(self, context, resource_id, parameters=None):
        return Resource(TYPE, resource_id, resource_id)

    def get_dependent_resources(self, context, parent_resource):
        return []


ENTRY_POINTS = {
    "karbor.protections": {PLUGIN: f"{__name__}:{DiskProtectionPlugin.__name__}"},
    "karbor.protectables": {
        "test-disk": f"{__name__}:{DiskProtectablePlugin.__name__}"
    },
}
