# SPDX-License-Identifier: Apache-2.0
"""karbor-api: serves REST v1."""

import signal
import sys
import threading
from collections.abc import Sequence

from oslo_config import cfg
from oslo_log import log as logging

from karbor.api.app import create_app
from karbor.api.server import Server
from karbor.cmd import starting
from karbor.common import config
from karbor.db.database import Database
from karbor.services.protection.rpcapi import ProtectionAPI

LOG = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; running requests may end.

    :returns: 0, or 1 when it cannot start
    """
    try:
        conf = config.init(
            sys.argv[1:] if argv is None else argv, "karbor-api", conf=cfg.CONF
        )
        starting.check_values(conf)
        database = Database(conf)
        database.check_schema()
        server = Server(conf, create_app(conf, ProtectionAPI(conf), database))
        server.start()
    except starting.ERRORS as error:
        print(f"karbor-api cannot start: {starting.explain(error)}", file=sys.stderr)
        return 1
    asked_to_stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked_to_stop.set())
    asked_to_stop.wait()
    LOG.info("Stopping: running requests may end")
    server.stop()
    database.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
