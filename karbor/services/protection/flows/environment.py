# SPDX-License-Identifier: Apache-2.0
"""The living service around an operation."""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

from oslo_config import cfg

from karbor.services.protection.waiting.watcher import Watcher

if TYPE_CHECKING:
    from karbor.db.database import Database
    from karbor.services.protection.protectable_registry import ProtectableRegistry
    from karbor.services.protection.provider import Provider, ProviderRegistry


def _collect_later(provider_id: str, project_id: str) -> None:
    """What a deletion leaves is found by whoever collects next."""


@dataclasses.dataclass(frozen=True)
class Environment:
    """What every operation of this process shares; thread-safe in all its parts.

    :param note_deleted: told the provider and the project of a checkpoint that is
        deleted, whose chunks can now be collected
    """

    providers: "ProviderRegistry"
    protectables: "ProtectableRegistry"
    database: "Database"
    conf: cfg.ConfigOpts
    note_deleted: Callable[[str, str], None] = _collect_later
    watcher: Watcher = dataclasses.field(default_factory=Watcher)

    def provider(self, provider_id: str) -> "Provider":
        """:raises ProviderNotFound: when none of that id is loaded"""
        return self.providers.get(provider_id)
