# SPDX-License-Identifier: Apache-2.0
"""A plugin that does its work long after it was asked to, written as for Karbor 1.x.

Its hook sleeps for ``KARBOR_TEST_SLEEP`` seconds, and then asks services of the cloud
with the context that it got: by clients, and by the token that the context has.
"""

import os
import time

import requests

from karbor.resource import Resource
from karbor.services.protection import protectable_plugin, protection_plugin
from karbor.services.protection.client_factory import ClientFactory

TYPE = "Test::Sleeper"

_ASKED = {
    "cinder": lambda client: client.volumes.list(),
    "glance": lambda client: list(client.images.list()),
    "nova": lambda client: client.servers.list(),
    "swift": lambda client: client.get_account(),
}


class SleepingOperation(protection_plugin.Operation):
    def __init__(self, conf):
        self._conf = conf

    def on_main(self, checkpoint, resource, context, parameters, **kwargs):
        time.sleep(float(os.environ["KARBOR_TEST_SLEEP"]))
        section = checkpoint.get_resource_bank_section(resource.id)
        for service, ask in _ASKED.items():
            ask(ClientFactory.create_client(service, context, self._conf))
            section.update_object(service, "answered")

    def on_complete(self, checkpoint, resource, context, parameters, **kwargs):
        images = ClientFactory.create_client("glance", context, self._conf)
        url = images.http_client.get_endpoint()
        headers = {"X-Auth-Token": context.auth_token}
        requests.get(f"{url}/v2/images", headers=headers, timeout=60).raise_for_status()


class SleepingProtectionPlugin(protection_plugin.ProtectionPlugin):
    def get_protect_operation(self, resource):
        return SleepingOperation(self._config)

    def get_delete_operation(self, resource):
        return protection_plugin.Operation()

    @classmethod
    def get_supported_resources_types(cls):
        return [TYPE]

    @classmethod
    def get_options_schema(cls, resource_type):
        return {}

    get_restore_schema = get_options_schema
    get_verify_schema = get_options_schema
    get_saved_info_schema = get_options_schema


class SleeperProtectablePlugin(protectable_plugin.ProtectablePlugin):
    def get_resource_type(self):
        return TYPE

    def get_parent_resource_types(self):
        return ()

    def list_resources(self, context, parameters=None):
        return [Resource(type=TYPE, id="sleeper", name="sleeper")]

    def show_resource(self, context, resource_id, parameters=None):
        return Resource(type=TYPE, id=resource_id, name="sleeper")

    def get_dependent_resources(self, context, parent_resource):
        return []


ENTRY_POINTS = {
    "karbor.protections": {
        "test-sleeping-plugin": f"{__name__}:{SleepingProtectionPlugin.__name__}"
    },
    "karbor.protectables": {
        "test-sleeper": f"{__name__}:{SleeperProtectablePlugin.__name__}"
    },
}
