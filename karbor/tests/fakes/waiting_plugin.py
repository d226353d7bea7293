# SPDX-License-Identifier: Apache-2.0
"""Plugins that wait for the test, to be looked at, or killed, in the middle.

They are written as for Karbor 1.x. The folder named by ``KARBOR_TEST_GATE`` is the
gate: a hook writes ``<operation>-<hook>-<id>`` there when it begins, and goes on
when the file ``open`` is there.
"""

import os
import pathlib
import time

from karbor.resource import Resource
from karbor.services.protection import protectable_plugin, protection_plugin

TYPE = "Test::Thing"


def _gate():
    return pathlib.Path(os.environ["KARBOR_TEST_GATE"])


class WaitingOperation(protection_plugin.Operation):
    def __init__(self, name):
        self._name = name

    def on_main(self, checkpoint, resource, context, parameters, **kwargs):
        section = checkpoint.get_resource_bank_section(resource.id)
        if self._name == "protect":
            section.update_object("metadata", {"name": resource.name})
        (_gate() / f"{self._name}-main-{resource.id}").touch()
        while not (_gate() / "open").exists():
            time.sleep(0.02)


class WaitingProtectionPlugin(protection_plugin.ProtectionPlugin):
    def get_protect_operation(self, resource):
        return WaitingOperation("protect")

    def get_restore_operation(self, resource):
        return WaitingOperation("restore")

    def get_verify_operation(self, resource):
        return WaitingOperation("verify")

    def get_copy_operation(self, resource):
        return WaitingOperation("copy")

    def get_delete_operation(self, resource):
        return WaitingOperation("delete")

    @classmethod
    def get_supported_resources_types(cls):
        return [TYPE]

    @classmethod
    def get_options_schema(cls, resource_type):
        return {}

    get_restore_schema = get_options_schema
    get_verify_schema = get_options_schema
    get_saved_info_schema = get_options_schema


class ThingProtectablePlugin(protectable_plugin.ProtectablePlugin):
    def get_resource_type(self):
        return TYPE

    def get_parent_resource_types(self):
        return ()

    def list_resources(self, context, parameters=None):
        return [Resource(type=TYPE, id="thing-1", name="one")]

    def show_resource(self, context, resource_id, parameters=None):
        return Resource(type=TYPE, id=resource_id, name="a thing")

    def get_dependent_resources(self, context, parent_resource):
        return []


ENTRY_POINTS = {
    "karbor.protections": {
        "test-waiting-plugin": f"{__name__}:{WaitingProtectionPlugin.__name__}"
    },
    "karbor.protectables": {
        "test-thing": f"{__name__}:{ThingProtectablePlugin.__name__}"
    },
}
