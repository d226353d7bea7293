# SPDX-License-Identifier: Apache-2.0
"""Plugins whose work stands still at a gate that the test has shut.

They are written as for Karbor 1.x, and installed as a third party's: see
:func:`install`. A gate is shut by a file ``<name>.shut``; work that comes to it
leaves ``<name>.reached``. Gates are called ``graph`` (before a leaf is found) and
``<operation>-<resource id>``.
"""

import os
import time
from pathlib import Path

from karbor import resource
from karbor.services.protection import protectable_plugin, protection_plugin

FOLDER_VARIABLE = "KARBOR_TEST_GATES"
GATED = "OS::Test::Gated"
#: The id at which the service of gated resources hangs up.
UNREACHABLE = "x"
LEAF = "OS::Test::Leaf"

#: So that a test that fails leaves no work standing for ever.
_PATIENCE = 120

_ENTRY_POINTS = f"""\
[karbor.protections]
gate-protection-plugin = {__name__}:GateProtectionPlugin
[karbor.protectables]
leaf = {__name__}:LeafProtectablePlugin
gated = {__name__}:GatedProtectablePlugin
"""


def install(folder: Path) -> None:
    """Make a distribution with these plugins below a folder of the Python path."""
    info = folder / "karbor_test_gate-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: karbor-test-gate\nVersion: 1.0\n"
    )
    (info / "entry_points.txt").write_text(_ENTRY_POINTS)


def _folder() -> Path:
    return Path(os.environ[FOLDER_VARIABLE])


def pass_gate(name: str) -> None:
    """Stand until the gate is open.

    :raises RuntimeError: when nobody opens it
    """
    (_folder() / f"{name}.reached").touch()
    give_up = time.monotonic() + _PATIENCE
    while (_folder() / f"{name}.shut").exists():
        if time.monotonic() > give_up:
            raise RuntimeError(f"nobody opened the gate {name}")
        time.sleep(0.02)


class GateOperation(protection_plugin.Operation):
    def __init__(self, name):
        super().__init__()
        self._name = name

    def on_main(self, checkpoint, resource, context, parameters, **kwargs):
        if self._name == "protect":
            section = checkpoint.get_resource_bank_section(resource.id)
            section.update_object("metadata", {"half": "done"})
        pass_gate(f"{self._name}-{resource.id}")


class GateProtectionPlugin(protection_plugin.ProtectionPlugin):
    @classmethod
    def get_supported_resources_types(cls):
        return [GATED, LEAF]

    def get_protect_operation(self, resource):
        return GateOperation("protect")

    def get_restore_operation(self, resource):
        return GateOperation("restore")

    def get_verify_operation(self, resource):
        return GateOperation("verify")

    def get_copy_operation(self, resource):
        return GateOperation("copy")

    def get_delete_operation(self, resource):
        return GateOperation("delete")

    @classmethod
    def get_options_schema(cls, resource_type):
        return {}

    get_restore_schema = get_verify_schema = get_options_schema
    get_saved_info_schema = get_options_schema

    @classmethod
    def get_saved_info(cls, metadata_store, resource):
        return None


class GatedProtectablePlugin(protectable_plugin.ProtectablePlugin):
    def get_resource_type(self):
        return GATED

    def get_parent_resource_types(self):
        return ()

    def list_resources(self, context, parameters=None):
        return []

    def show_resource(self, context, resource_id, parameters=None):
        if resource_id == UNREACHABLE:
            raise OSError("the service of gated resources hung up")
        return resource.Resource(self.get_resource_type(), resource_id, None)

    def get_dependent_resources(self, context, parent_resource):
        return []


class LeafProtectablePlugin(GatedProtectablePlugin):
    """One leaf below each gated resource."""

    def get_resource_type(self):
        return LEAF

    def get_parent_resource_types(self):
        return (GATED,)

    def get_dependent_resources(self, context, parent_resource):
        pass_gate("graph")
        identity = f"leaf-{parent_resource.id}"
        return [resource.Resource(type=LEAF, id=identity, name=None)]
