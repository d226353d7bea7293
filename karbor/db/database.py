# SPDX-License-Identifier: Apache-2.0
"""The records that Karbor keeps in SQL."""

from oslo_config import cfg

from karbor import exception
from karbor.db import migration, models, options
from karbor.db.engine import Transactions
from karbor.db.repository import Repository
from karbor.db.services import ServiceRepository


class Database:
    """The repositories over one SQL database, for any number of threads.

    Making one opens the database but does not create its tables: that is
    :func:`karbor.db.migration.sync`. A process that forks may go on using it on
    both sides.

    :param conf: with ``[database]`` and ``state_path``
    :raises oslo_db.exception.DBError: when the database cannot be reached
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        options.register_opts(conf)
        self.transactions = transactions = Transactions(conf)
        self.plans = Repository(
            conf,
            transactions,
            models.plans,
            lambda record_id: exception.PlanNotFound(plan_id=record_id),
        )
        self.restores = Repository(
            conf,
            transactions,
            models.restores,
            lambda record_id: exception.RestoreNotFound(restore_id=record_id),
        )
        self.verifications = Repository(
            conf,
            transactions,
            models.verifications,
            lambda record_id: exception.VerificationNotFound(verification_id=record_id),
        )
        self.operation_logs = Repository(
            conf,
            transactions,
            models.operation_logs,
            lambda record_id: exception.OperationLogNotFound(
                operation_log_id=record_id
            ),
        )
        self.services = ServiceRepository(
            conf,
            transactions,
            models.services,
            lambda record_id: exception.ServiceNotFound(service_id=record_id),
        )

    def check_schema(self) -> None:
        """:raises DatabaseOutOfDate: when the tables are not this version's"""
        migration.check(self.transactions)

    def close(self) -> None:
        """Give the connections back; a later call opens new ones."""
        self.transactions.close()
