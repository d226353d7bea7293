# SPDX-License-Identifier: Apache-2.0
"""Restores, verifications and operation logs whose service died."""

from typing import Any

from oslo_log import log as logging
from oslo_utils import timeutils

from karbor.common import constants
from karbor.context import get_admin_context
from karbor.db.database import Database
from karbor.services.protection.provider import ProviderRegistry

LOG = logging.getLogger(__name__)

_REASON = (
    "The service that ran this operation died, or lost its lease, before it ended. "
    "Run the operation again."
)
_PAGE = 500


class OrphanReaper:
    """Ends records that say ``in_progress`` though nobody works on them.

    The owner of a record is the owner of the provider's bank lease, so the same
    lease that tells a zombie checkpoint tells an orphaned record. A record of a
    provider that is not loaded here is left to a service that has it.
    """

    def __init__(self, database: Database, providers: ProviderRegistry) -> None:
        self._database = database
        self._providers = providers

    def reap(self) -> int:
        """End every orphan; returns how many there were."""
        now = timeutils.utcnow(with_timezone=True)
        ended: dict[Any, dict[str, Any]] = {
            self._database.restores: {"status": constants.RESTORE_STATUS_FAILURE},
            self._database.verifications: {"status": constants.RESTORE_STATUS_FAILURE},
            self._database.operation_logs: {
                "status": constants.OPERATION_EXE_STATE_FAILED,
                "error_info": _REASON,
                "ended_at": now,
            },
        }
        return sum(
            self._reap_from(repository, values) for repository, values in ended.items()
        )

    def _reap_from(self, repository: Any, values: dict[str, Any]) -> int:
        context = get_admin_context()
        count = 0
        alive: dict[tuple[str, str], bool] = {}
        marker = None
        while True:
            page = repository.list(
                context,
                all_tenants=True,
                filters={"status": constants.OPERATION_EXE_STATE_IN_PROGRESS},
                limit=_PAGE,
                marker=marker,
            )
            for record in page:
                key = (record["provider_id"], record["owner_id"])
                if key not in alive:
                    alive[key] = self._is_alive(*key)
                if not alive[key]:
                    LOG.warning(
                        "Record %s of provider %s is orphaned: its owner %s is gone",
                        record["id"],
                        *key,
                    )
                    repository.update(context, record["id"], values)
                    count += 1
            if len(page) < _PAGE:
                return count
            marker = page[-1]["id"]

    def _is_alive(self, provider_id: str, owner_id: str | None) -> bool:
        provider = self._providers.find(provider_id)
        if provider is None or owner_id is None:
            # Without an owner the API has just made it, and is about to call.
            return True
        return provider.is_alive(owner_id)
