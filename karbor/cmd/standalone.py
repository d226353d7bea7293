# SPDX-License-Identifier: Apache-2.0
"""karbor-standalone: API and protection in one process, with no broker.

The same code as ``karbor-api`` and ``karbor-protection``: only the transport stays
in the process, the database is SQLite, and the bank is a folder.
"""

import os
import sys

import cotyledon
from cotyledon import oslo_config_glue
from cotyledon.types import WorkerId
from oslo_config import cfg
from oslo_log import log as logging

from karbor import rpc
from karbor.api import server
from karbor.api.app import create_app
from karbor.cmd import starting
from karbor.common import config
from karbor.db import migration
from karbor.db import options as db_options
from karbor.services.protection import provider, service
from karbor.services.protection.rpcapi import ProtectionAPI

LOG = logging.getLogger(__name__)

BINARY = "karbor-standalone"

CLI_OPTS = [
    cfg.StrOpt(
        "base-dir",
        default=os.path.join("~", ".local", "share", "karbor"),
        help="Folder for the database, the bank and the provider files, unless the "
        "configuration names others. It is made when it is not there.",
    ),
]

#: The provider that a standalone Karbor begins with.
_PROVIDER = """\
[provider]
name = Standalone
description = Keeps checkpoints in a folder of this machine
id = 6659007d-6f66-4a0f-9cb4-17d6aded0bb9
plugin = karbor-image-protection-plugin
bank = karbor-fs-bank-plugin
enabled = True

[file_system_bank_plugin]
file_system_bank_path = {bank}
"""


class Standalone(cotyledon.Service):
    """The protection service and, when that is ready, the API before it."""

    name = BINARY
    graceful_shutdown_timeout = 0

    def __init__(self, worker_id: WorkerId, conf: cfg.ConfigOpts) -> None:
        super().__init__(worker_id)
        self._conf = conf
        transport = rpc.get_transport(conf, "fake://")
        self._protection = service.ProtectionService(conf, transport)
        app = create_app(
            conf, ProtectionAPI(conf, transport), self._protection.database
        )
        self._api = server.Server(conf, app)

    def run(self) -> None:
        self._protection.start()
        self._api.start()
        LOG.info("%s answers at %s", BINARY, self._api.url)

    def terminate(self) -> None:
        self._api.stop()
        self._protection.stop()

    def reload(self) -> None:
        config.mutate(self._conf)
        self._protection.reload()


def prepare(conf: cfg.ConfigOpts) -> None:
    """Fill what the configuration leaves open, and make what is not there.

    :raises OSError: when the base folder cannot be made or written
    """
    base = os.path.abspath(os.path.expanduser(conf.base_dir))
    providers = os.path.join(base, "providers.d")
    conf.set_default("state_path", base)
    conf.set_default("provider_config_dir", providers)
    conf.set_default("auth_strategy", "noauth")
    conf.set_default("osapi_karbor_listen", "127.0.0.1")
    conf.set_default(
        "connection", f"sqlite:///{os.path.join(base, 'karbor.sqlite')}", "database"
    )
    os.makedirs(base, mode=0o700, exist_ok=True)
    if conf.provider_config_dir == providers and not os.path.isdir(providers):
        os.makedirs(providers, mode=0o700)
        with open(
            os.path.join(providers, "standalone.conf"), "w", encoding="utf-8"
        ) as file:
            file.write(_PROVIDER.format(bank=os.path.join(base, "bank")))
    migration.sync(conf)


def main() -> None:
    """Run until SIGTERM or Ctrl-C.

    :raises SystemExit: with code 1 and one sentence, when it cannot start
    """
    conf = cfg.CONF
    oslo_config_glue.register_opts(conf)
    service.register_opts(conf)
    provider.register_opts(conf)
    server.register_opts(conf)
    db_options.register_opts(conf)
    conf.register_cli_opts(CLI_OPTS)
    with starting.reporting(BINARY):
        config.init(sys.argv[1:], BINARY, conf)
        starting.check_values(conf)
        prepare(conf)
        starting.check_address(conf.osapi_karbor_listen, conf.osapi_karbor_listen_port)
    conf.set_default("graceful_shutdown_timeout", service.longest_stop(conf))
    manager = cotyledon.ServiceManager()
    manager.add(Standalone, workers=1, args=(conf,))
    oslo_config_glue.link(manager, conf, reload_method="mutate")
    manager.run()
