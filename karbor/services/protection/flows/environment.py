# SPDX-License-Identifier: Apache-2.0
"""The living service around an operation."""

import dataclasses
from typing import TYPE_CHECKING

from oslo_config import cfg

if TYPE_CHECKING:
    from karbor.db.database import Database
    from karbor.services.protection.protectable_registry import ProtectableRegistry
    from karbor.services.protection.provider import Provider, ProviderRegistry


@dataclasses.dataclass(frozen=True)
class Environment:
    """What every operation of this process shares; thread-safe in all its parts."""

    providers: "ProviderRegistry"
    protectables: "ProtectableRegistry"
    database: "Database"
    conf: cfg.ConfigOpts

    def provider(self, provider_id: str) -> "Provider":
        """:raises ProviderNotFound: when none of that id is loaded"""
        return self.providers.get(provider_id)
