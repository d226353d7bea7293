# SPDX-License-Identifier: Apache-2.0
"""Plugins as a third party wrote them for Karbor 1.x, and has not touched since."""

from functools import partial

from oslo_config import cfg
from oslo_log import log as logging

from karbor import exception, resource
from karbor.common import constants
from karbor.i18n import _
from karbor.services.protection import protectable_plugin, protection_plugin
from karbor.services.protection.bank_plugin import (
    Bank,
    BankPlugin,
    BankSection,
    LeasePlugin,
)
from karbor.services.protection.client_factory import ClientFactory

LOG = logging.getLogger(__name__)

pod_opts = [
    cfg.IntOpt("poll_interval", default=15, help="Poll interval for a pod's status"),
]

# What such plugins import, whether they use it or not.
IMPORTED = (Bank, BankPlugin, BankSection, LeasePlugin, ClientFactory, partial)

POD_RESOURCE_TYPE = "OS::Kubernetes::Pod"


class PodProtectablePlugin(protectable_plugin.ProtectablePlugin):
    """A protectable plugin without get_dependent_resources_many."""

    _SUPPORT_RESOURCE_TYPE = POD_RESOURCE_TYPE

    def get_resource_type(self):
        return self._SUPPORT_RESOURCE_TYPE

    def get_parent_resource_types(self):
        return (constants.PROJECT_RESOURCE_TYPE,)

    def list_resources(self, context, parameters=None):
        return [
            resource.Resource(
                type=self._SUPPORT_RESOURCE_TYPE,
                id="pod-1",
                name="pod",
                extra_info={"namespace": "default"},
            )
        ]

    def show_resource(self, context, resource_id, parameters=None):
        if resource_id != "pod-1":
            raise exception.ProtectableResourceNotFound(
                id=resource_id, type=self._SUPPORT_RESOURCE_TYPE, reason=_("no pod")
            )
        return self.list_resources(context)[0]

    def get_dependent_resources(self, context, parent_resource):
        if parent_resource.type == constants.PROJECT_RESOURCE_TYPE:
            return self.list_resources(context)
        return None


class ProtectOperation(protection_plugin.Operation):
    def __init__(self, poll_interval):
        super(ProtectOperation, self).__init__()  # noqa: UP008 - as they wrote it
        self._interval = poll_interval

    def on_main(self, checkpoint, resource, context, parameters, **kwargs):
        bank_section = checkpoint.get_resource_bank_section(resource.id)
        bank_section.update_object("status", constants.RESOURCE_STATUS_PROTECTING)
        bank_section.update_object("metadata", {"interval": self._interval})
        bank_section.update_object("data_1", b"the pod's data")
        bank_section.update_object("status", constants.RESOURCE_STATUS_AVAILABLE)


class RestoreOperation(protection_plugin.Operation):
    def on_complete(self, checkpoint, resource, context, parameters, **kwargs):
        bank_section = checkpoint.get_resource_bank_section(resource.id)
        metadata = bank_section.get_object("metadata")
        new_id = f"new-{resource.id}-{metadata['interval']}"
        kwargs.get("new_resources")[resource.id] = new_id
        restore_record = kwargs.get("restore")
        restore_record.update_resource_status(
            resource.type, resource.id, constants.RESOURCE_STATUS_AVAILABLE
        )
        restore_record.save()


class VerifyOperation(protection_plugin.Operation):
    def on_main(self, checkpoint, resource, context, parameters, **kwargs):
        bank_section = checkpoint.get_resource_bank_section(resource.id)
        status = bank_section.get_object("status")
        kwargs.get("verify").update_resource_status(resource.type, resource.id, status)


class DeleteOperation(protection_plugin.Operation):
    def on_main(self, checkpoint, resource, context, parameters, **kwargs):
        bank_section = checkpoint.get_resource_bank_section(resource.id)
        for obj in bank_section.list_objects():
            bank_section.delete_object(obj)


class PodProtectionPlugin(protection_plugin.ProtectionPlugin):
    """A protection plugin without copy, and with schemas of their time."""

    _SUPPORT_RESOURCE_TYPES = [POD_RESOURCE_TYPE]

    def __init__(self, config=None):
        super(PodProtectionPlugin, self).__init__(config)  # noqa: UP008
        self._config.register_opts(pod_opts, "pod_backup_plugin")
        self._plugin_config = self._config.pod_backup_plugin
        self._poll_interval = self._plugin_config.poll_interval

    @classmethod
    def get_supported_resources_types(cls):
        return cls._SUPPORT_RESOURCE_TYPES

    @classmethod
    def get_options_schema(cls, resources_type):
        return {
            "title": "Pod Protection Options",
            "type": "object",
            "properties": {"backup_name": {"type": "string"}},
            "required": [],
        }

    @classmethod
    def get_restore_schema(cls, resources_type):
        return {"title": "Pod Protection Restore", "type": "object", "properties": {}}

    @classmethod
    def get_verify_schema(cls, resources_type):
        return {"title": "Pod Protection Verify", "type": "object", "properties": {}}

    @classmethod
    def get_saved_info_schema(cls, resources_type):
        return {"title": "Pod Saved Info", "type": "object", "properties": {}}

    @classmethod
    def get_saved_info(cls, metadata_store, resource):
        pass

    def get_protect_operation(self, resource):
        return ProtectOperation(self._poll_interval)

    def get_restore_operation(self, resource):
        return RestoreOperation()

    def get_verify_operation(self, resource):
        return VerifyOperation()

    def get_delete_operation(self, resource):
        return DeleteOperation()
