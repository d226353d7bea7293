# SPDX-License-Identifier: Apache-2.0
"""The protection service of one process: what it is made of, start to stop."""

import threading
from collections.abc import Callable

import futurist
import oslo_messaging as messaging
from futurist import periodics
from oslo_config import cfg
from oslo_log import log as logging
from oslo_messaging.server import MessageHandlingServer

from karbor import rpc
from karbor.common import config, constants
from karbor.context import get_admin_context
from karbor.db.database import Database
from karbor.services.protection.admission import Admission
from karbor.services.protection.flows.environment import Environment
from karbor.services.protection.flows.runner import REVERT_TIME, OperationRunner
from karbor.services.protection.garbage import BackgroundCollection
from karbor.services.protection.manager import ProtectionManager, UnknownMethods
from karbor.services.protection.orphans import OrphanReaper
from karbor.services.protection.protectable_registry import ProtectableRegistry
from karbor.services.protection.provider import ProviderRegistry
from karbor.services.protection.queries import Queries
from karbor.services.protection.waiting.watcher import Watcher
from karbor.services.protection.zombies import ZombieSweeper

LOG = logging.getLogger(__name__)

BINARY = "karbor-protection"

OPTS = [
    cfg.IntOpt(
        "report_interval",
        default=10,
        min=1,
        help="Seconds between two reports of this service that it is up.",
    ),
    cfg.IntOpt(
        "zombie_sweep_interval",
        default=60,
        min=1,
        help="Seconds between two sweeps for checkpoints and records whose owner "
        "died while it worked on them.",
    ),
    cfg.IntOpt(
        "drain_timeout",
        default=300,
        min=0,
        help="Seconds that running operations get to end after SIGTERM, before "
        "they are left to another service.",
    ),
]

#: Seconds that the RPC server gets to answer what it has taken, and to close, and
#: seconds that a sweep gets to end.
_CLOSE_TIME = 15
#: Seconds in which leases are given back.
_RELEASE_TIME = 60


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options of the service itself."""
    config.register_opts(conf)
    conf.register_opts(OPTS)


def longest_stop(conf: cfg.ConfigOpts) -> int:
    """Seconds that :meth:`ProtectionService.stop` may take.

    A process that is killed before gives no lease back, and others wait until it
    expires before they end what was left.
    """
    return int(conf.drain_timeout + REVERT_TIME + 3 * _CLOSE_TIME + _RELEASE_TIME)


class ProtectionService:
    """Owns every part of a running protection service.

    ``start`` and ``stop`` are called once each, from the main thread; ``reload``
    from any.

    :param transport: shared with an API in the same process; else the one of
        ``transport_url``
    """

    def __init__(
        self, conf: cfg.ConfigOpts, transport: messaging.Transport | None = None
    ) -> None:
        register_opts(conf)
        self._conf = conf
        self._transport = transport or rpc.get_transport(conf)
        self.database = Database(conf)
        self.providers = ProviderRegistry(conf)
        self.protectables = ProtectableRegistry(conf)
        self._collection = BackgroundCollection(self.providers)
        self._watcher = Watcher.from_conf(conf)
        self._runner = OperationRunner(
            conf,
            Environment(
                providers=self.providers,
                protectables=self.protectables,
                database=self.database,
                conf=conf,
                note_deleted=self._collection.note_deleted,
                watcher=self._watcher,
            ),
        )
        self._endpoint = ProtectionManager(
            Admission(self.providers, self.database, self._runner),
            Queries(self.providers, self.protectables),
        )
        is_running = self._runner.is_working_on
        self._sweeper = ZombieSweeper(self.providers, is_running)
        self._reaper = OrphanReaper(
            self.database,
            self.providers,
            is_running,
            self._runner.delegations.forget,
        )
        self._server: MessageHandlingServer | None = None
        self._server_lock = threading.Lock()
        self._is_stopping = False
        self._periodic: periodics.PeriodicWorker | None = None
        self._periodic_thread: threading.Thread | None = None

    def start(self) -> None:
        """Load providers, take leases, end what dead owners left, and listen.

        :raises DatabaseOutOfDate: when the tables are not this version's. A
            provider that cannot load is logged and left out.
        """
        self.database.check_schema()
        self.providers.load()
        self.providers.start()
        self._sweep()
        self._report()
        self._periodic = periodics.PeriodicWorker(
            [
                (self._every(self._conf.report_interval, self._report), (), {}),
                (self._every(self._conf.zombie_sweep_interval, self._sweep), (), {}),
            ],
            executor_factory=lambda: futurist.ThreadPoolExecutor(max_workers=2),
        )
        self._periodic_thread = threading.Thread(
            target=self._periodic.start, name="periodic", daemon=True
        )
        self._periodic_thread.start()
        self._collection.start()
        LOG.info(
            "Protection service %s serves %d providers on topic %s",
            self._conf.host,
            len(self.providers.list()),
            self._conf.protection_topic,
        )

    def stop(self) -> None:
        """Take no new requests, let operations end, give leases back.

        Operations still running after ``drain_timeout`` seconds are cancelled, and
        take back what they had begun; those that cannot, and those that had not begun,
        are left as they are: whoever sweeps next ends them when this owner's lease is
        gone. The process must then end by ``os._exit``, as its manager does, because a
        hook's thread cannot be ended.
        """
        self._is_stopping = True
        self._silence()
        self._collection.stop()
        drained = self._runner.drain(self._conf.drain_timeout)
        if not drained:
            LOG.warning(
                "Operations were left running: %s", ", ".join(self._runner.running())
            )
        self._watcher.close()
        if self._periodic is not None:
            self._periodic.stop()
            if not self._periodic.wait(_CLOSE_TIME):
                LOG.warning(
                    "A sweep or a report has not ended within %d seconds. Going on.",
                    _CLOSE_TIME,
                )
        self.providers.stop()
        LOG.info("Protection service %s has stopped", self._conf.host)

    def reload(self) -> None:
        """Read the provider files anew; running operations keep what they have."""
        self.providers.reload()

    def _every(self, seconds: float, work: Callable[[], None]) -> Callable[[], None]:
        @periodics.periodic(seconds)
        def run() -> None:
            # The worker drops a callback that raises; the next turn may succeed.
            try:
                work()
            except Exception:
                LOG.exception("Periodic work failed; it is tried again")

        return run

    def _report(self) -> None:
        row = self.database.services.heartbeat(
            get_admin_context(), self._conf.host, BINARY, self._conf.protection_topic
        )
        if row["disabled"]:
            self._silence()
        else:
            self._listen()

    def _sweep(self) -> None:
        self.providers.start_waiting()
        self.providers.release_retired(self._runner.is_using)
        self._sweeper.sweep()
        self._reaper.reap()

    def _listen(self) -> None:
        with self._server_lock:
            # Reports go on while operations drain: they must not undo the silence.
            if self._server is not None or self._is_stopping:
                return
            server = rpc.get_server(
                self._transport,
                messaging.Target(
                    topic=self._conf.protection_topic,
                    server=self._conf.host,
                    version=constants.RPC_VERSION,
                ),
                [self._endpoint, UnknownMethods()],
            )
            server.start()
            self._server = server

    def _silence(self) -> None:
        """Leave new requests to other services; running operations go on."""
        # oslo.messaging waits for a broker that does not answer without an end.
        closing = threading.Thread(
            target=self._close_server, name="rpc-close", daemon=True
        )
        closing.start()
        closing.join(_CLOSE_TIME)
        if closing.is_alive():
            LOG.warning(
                "The RPC server has not closed within %d seconds: its broker does "
                "not answer, or a request is still being answered. Going on.",
                _CLOSE_TIME,
            )

    def _close_server(self) -> None:
        with self._server_lock:
            server, self._server = self._server, None
        if server is not None:
            rpc.close_server(server)
