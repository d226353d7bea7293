# SPDX-License-Identifier: Apache-2.0
"""karbor-protection: the daemon that protects and restores."""

import sys

import cotyledon
from cotyledon import oslo_config_glue
from cotyledon.types import WorkerId
from oslo_config import cfg
from oslo_log import log as logging

from karbor.cmd import starting
from karbor.common import config
from karbor.services.protection import service

LOG = logging.getLogger(__name__)


class ProtectionDaemon(cotyledon.Service):
    """One protection service under the process manager.

    The manager starts the process again when it dies, and passes on SIGTERM
    (drain) and SIGHUP (reload).
    """

    name = service.BINARY
    #: The service drains for as long as its own option says.
    graceful_shutdown_timeout = 0

    def __init__(self, worker_id: WorkerId, conf: cfg.ConfigOpts) -> None:
        super().__init__(worker_id)
        self._conf = conf
        self._service = service.ProtectionService(conf)

    def run(self) -> None:
        self._service.start()

    def terminate(self) -> None:
        self._service.stop()

    def reload(self) -> None:
        config.mutate(self._conf)
        self._service.reload()


def main() -> None:
    """Run until SIGTERM.

    :raises SystemExit: with code 1 and one sentence, when it cannot start
    """
    conf = cfg.CONF
    oslo_config_glue.register_opts(conf)
    service.register_opts(conf)
    with starting.reporting(service.BINARY):
        config.init(sys.argv[1:], service.BINARY, conf)
        starting.check_values(conf)
        starting.check_transport(conf)
        starting.check_database(conf)
    conf.set_default("graceful_shutdown_timeout", service.longest_stop(conf))
    manager = cotyledon.ServiceManager()
    manager.add(ProtectionDaemon, workers=1, args=(conf,))
    oslo_config_glue.link(manager, conf, reload_method="mutate")
    manager.run()
