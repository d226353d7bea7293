# SPDX-License-Identifier: Apache-2.0
"""Protection and bank plugins with one thing about each of them."""

from typing import Any

from oslo_config import cfg

from karbor.services.protection.protection_plugin import Operation, ProtectionPlugin
from karbor.tests.fakes.bank import MemoryBankPlugin

IMAGE = "OS::Glance::Image"

OPTIONS = {
    "type": "object",
    "properties": {
        "backup_name": {"type": "string"},
        "retries": {"type": "integer", "minimum": 0},
        "quiesce": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "admin_password": {"type": "string", "maxLength": 3},
    },
    "required": ["backup_name"],
}


class ImagePlugin(ProtectionPlugin):
    """Protects images, with options."""

    OPTS = [cfg.StrOpt("greeting", default="none"), cfg.IntOpt("size", default=1)]

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        config.register_opts(self.OPTS, "image_plugin")
        self.greeting = config.image_plugin.greeting
        self.size = config.image_plugin.size

    @classmethod
    def get_supported_resources_types(cls) -> list[str]:
        return [IMAGE]

    @classmethod
    def get_options_schema(cls, resource_type: str) -> dict[str, Any]:
        return OPTIONS

    @classmethod
    def get_restore_schema(cls, resource_type: str) -> dict[str, Any]:
        return {"properties": {"restore_name": {"type": "string"}}}

    @classmethod
    def get_saved_info_schema(cls, resource_type: str) -> dict[str, Any]:
        # As Karbor 1.x's own image plugin has it: no valid schema.
        return {"properties": {"image_metadata": {"type": "image"}}}

    def get_protect_operation(self, resource: Any) -> Operation:
        return Operation()


class OtherImagePlugin(ImagePlugin):
    """Protects the same type."""


class DraftFourPlugin(ImagePlugin):
    """Has a schema as Karbor 1.x's plugins wrote them."""

    @classmethod
    def get_options_schema(cls, resource_type: str) -> dict[str, Any]:
        return {"properties": {"size": {"minimum": 0, "exclusiveMinimum": True}}}


class BadSchemaPlugin(ImagePlugin):
    """Has an options schema that is none."""

    @classmethod
    def get_options_schema(cls, resource_type: str) -> dict[str, Any]:
        return {"properties": {"size": {"type": "number of things"}}}


class RemoteSchemaPlugin(ImagePlugin):
    """Has a schema that refers to one on the network."""

    @classmethod
    def get_options_schema(cls, resource_type: str) -> dict[str, Any]:
        return {"$ref": "http://127.0.0.1:9/schema.json"}


class ExplodingPlugin(ImagePlugin):
    """Cannot be made."""

    def __init__(self, config: Any = None) -> None:
        raise RuntimeError("no such server, {'password': 'hunter2'}")


class EmptyPlugin(ImagePlugin):
    """Protects nothing."""

    @classmethod
    def get_supported_resources_types(cls) -> list[str]:
        return []


class ExplodingBank(MemoryBankPlugin):
    """Cannot be made."""

    def __init__(self, config: Any = None) -> None:
        raise ConnectionError("store.example.org does not answer")


class LeaselessBank(MemoryBankPlugin):
    """Cannot take its lease."""

    def acquire_lease(self) -> None:
        from karbor import exception

        raise exception.AcquireLeaseFailed(reason="the store is read-only")
