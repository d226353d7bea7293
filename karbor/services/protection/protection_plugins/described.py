# SPDX-License-Identifier: Apache-2.0
"""What most plugins are: types and schemas on the class, operations by settings."""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, TypeVar

from oslo_config import cfg

from karbor.services.protection.protection_plugin import ProtectionPlugin
from karbor.services.protection.protection_plugins.settings import Settings

_S = TypeVar("_S", bound=Settings)


@dataclasses.dataclass(frozen=True)
class Schemas:
    """The JSON schemas of a plugin, as the contract names them."""

    options: dict[str, Any]
    restore: dict[str, Any]
    verify: dict[str, Any]
    saved_info: dict[str, Any]


class DescribedPlugin(ProtectionPlugin, Generic[_S]):
    """A plugin whose class says what it protects and what a person may say of that.

    A subclass sets the three attributes and gives the operations.

    :ivar settings: its options, from the provider's configuration
    """

    resource_types: ClassVar[tuple[str, ...]]
    schemas: ClassVar[Schemas]
    settings_class: type[_S]

    def __init__(self, config: cfg.ConfigOpts | None = None) -> None:
        super().__init__(config)
        self.settings: _S = self.settings_class.from_conf(
            config if config is not None else cfg.CONF
        )

    @classmethod
    def get_supported_resources_types(cls) -> Sequence[str]:
        return list(cls.resource_types)

    @classmethod
    def get_options_schema(cls, resource_type: str) -> dict[str, Any]:
        return cls.schemas.options

    @classmethod
    def get_restore_schema(cls, resource_type: str) -> dict[str, Any]:
        return cls.schemas.restore

    @classmethod
    def get_verify_schema(cls, resource_type: str) -> dict[str, Any]:
        return cls.schemas.verify

    @classmethod
    def get_saved_info_schema(cls, resource_type: str) -> dict[str, Any]:
        return cls.schemas.saved_info
