# SPDX-License-Identifier: Apache-2.0
"""Restores, verifications and operation logs that nobody will end."""

import datetime
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from oslo_log import log as logging
from oslo_utils import timeutils

from karbor import exception
from karbor.common import constants
from karbor.context import get_admin_context
from karbor.db.database import Database
from karbor.services.protection.clients.delegation import TRUST_ID
from karbor.services.protection.provider import Provider, ProviderRegistry

LOG = logging.getLogger(__name__)

#: How long a record that nobody works on must be unchanged before it is ended while
#: its owner lives, or when it has none: longer than a request takes to be begun.
SAFE_AGE = datetime.timedelta(hours=1)

_REASON = (
    "The service that ran this operation died, lost its lease, or could not note how "
    "it ended. Run the operation again."
)
_PAGE = 500

#: Of a resource that an operation is at work on.
_WORKING = (constants.RESOURCE_STATUS_RESTORING, constants.RESOURCE_STATUS_VERIFYING)


class OrphanReaper:
    """Ends records that say ``in_progress`` though nobody works on them.

    The owner of a record is the owner of the provider's bank lease, so the same
    lease that tells a zombie checkpoint tells an orphaned record. A record of a
    provider that is not loaded here is left to a service that has it.

    Two kinds of records are left behind without a dead owner, and are ended when they
    have not changed for :data:`SAFE_AGE`: those that this process owns and runs no
    operation for, because the database was away when the operation ended; and those
    without an owner, because the API died before it had called.

    :param is_running: whether this process runs, or will run, the operation of a
        restore, a verification or an operation log (by id)
    :param forget_trust: takes back the trust (by id) under which an operation acted;
        never raises
    """

    def __init__(
        self,
        database: Database,
        providers: ProviderRegistry,
        is_running: Callable[[str], bool],
        forget_trust: Callable[[str], None],
    ) -> None:
        self._database = database
        self._providers = providers
        self._is_running = is_running
        self._forget_trust = forget_trust

    def reap(self) -> int:
        """End every orphan; returns how many there were.

        Records of a bank that cannot be asked wait for the next time.
        """
        now = timeutils.utcnow(with_timezone=True)

        def end_log(record: Mapping[str, Any]) -> dict[str, Any]:
            return {
                "status": constants.OPERATION_EXE_STATE_FAILED,
                "error_info": _REASON,
                "ended_at": now,
            }

        ended: dict[Any, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            self._database.restores: _failed,
            self._database.verifications: _failed,
            self._database.operation_logs: end_log,
        }
        alive: dict[tuple[str, str], bool] = {}
        return sum(
            self._reap_from(repository, end, now, alive)
            for repository, end in ended.items()
        )

    def _reap_from(
        self,
        repository: Any,
        end: Callable[[Mapping[str, Any]], dict[str, Any]],
        now: datetime.datetime,
        alive: dict[tuple[str, str], bool],
    ) -> int:
        context = get_admin_context()
        count = 0
        for record in _in_progress(repository):
            if not self._is_orphan(record, now, alive):
                continue
            # It may have ended since the page was read, and then nobody runs it.
            present = repository.get(context, record["id"])
            if present["status"] != constants.OPERATION_EXE_STATE_IN_PROGRESS:
                continue
            LOG.warning(
                "Record %s of provider %s is orphaned: its owner %s is gone, or does "
                "not work on it",
                record["id"],
                record["provider_id"],
                record["owner_id"],
            )
            trust_id = (present.get("extra_info") or {}).get(TRUST_ID)
            if trust_id is not None:
                self._forget_trust(trust_id)
            repository.update(context, record["id"], end(present))
            count += 1
        return count

    def _is_orphan(
        self,
        record: dict[str, Any],
        now: datetime.datetime,
        alive: dict[tuple[str, str], bool],
    ) -> bool:
        provider = self._providers.find(record["provider_id"])
        if provider is None:
            return False
        # Also under an owner of before: its provider may have been replaced.
        if self._is_running(record["id"]):
            return False
        owner_id = record["owner_id"]
        if owner_id is None or owner_id == provider.owner_id:
            changed = record["updated_at"] or record["created_at"]
            return now - changed >= SAFE_AGE
        key = (provider.id, owner_id)
        if key not in alive:
            alive[key] = _is_alive(provider, owner_id)
        return not alive[key]


def _failed(record: Mapping[str, Any]) -> dict[str, Any]:
    """How a restore or a verification ends, and each resource in the middle of it."""
    statuses = dict(record["resources_status"] or {})
    reasons = dict(record["resources_reason"] or {})
    for name, status in statuses.items():
        if status in _WORKING:
            statuses[name] = constants.RESOURCE_STATUS_ERROR
            reasons[name] = " ".join(filter(None, (reasons.get(name), _REASON)))
    return {
        "status": constants.RESTORE_STATUS_FAILURE,
        "resources_status": statuses,
        "resources_reason": reasons,
    }


def _in_progress(repository: Any) -> Iterator[dict[str, Any]]:
    marker = None
    while True:
        # A page may hold less than was asked for and still not be the last.
        page = repository.list(
            get_admin_context(),
            all_tenants=True,
            filters={"status": constants.OPERATION_EXE_STATE_IN_PROGRESS},
            limit=_PAGE,
            marker=marker,
        )
        if not page:
            return
        yield from page
        marker = page[-1]["id"]


def _is_alive(provider: Provider, owner_id: str) -> bool:
    try:
        return provider.is_alive(owner_id)
    except exception.BankException as error:
        LOG.warning(
            "The bank of provider %s cannot say now whether owner %s is alive: %s",
            provider.id,
            owner_id,
            error,
        )
        return True
