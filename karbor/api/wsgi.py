# SPDX-License-Identifier: Apache-2.0
"""The API for a WSGI server: ``uwsgi --module karbor.api.wsgi:application``.

Configuration comes from karbor.conf where oslo.config looks for it, or from
``OS_KARBOR_CONFIG_FILES``, paths separated by ``:``. It is read at the first
request, so that a server may fork its workers before.
"""

import os
import threading
from collections.abc import Iterable
from typing import Any

from karbor.api.app import create_app
from karbor.api.json_faults import WSGIApp
from karbor.common import config
from karbor.db.database import Database
from karbor.services.protection.rpcapi import ProtectionAPI

_lock = threading.Lock()
_app: WSGIApp | None = None


def _make() -> WSGIApp:
    paths = os.environ.get("OS_KARBOR_CONFIG_FILES")
    conf = config.init(
        [],
        "karbor-api",
        default_config_files=paths.split(os.pathsep) if paths else None,
    )
    database = Database(conf)
    database.check_schema()
    return create_app(conf, ProtectionAPI(conf), database)


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """The WSGI application."""
    global _app
    with _lock:
        if _app is None:
            _app = _make()
    return _app(environ, start_response)
