# SPDX-License-Identifier: Apache-2.0
"""Serves the API with cheroot: threads, HTTP/1.1, TLS when configured."""

import threading

from cheroot import wsgi
from cheroot.ssl.builtin import BuiltinSSLAdapter
from oslo_config import cfg
from oslo_log import log as logging

from karbor.api import options
from karbor.api.json_faults import WSGIApp

LOG = logging.getLogger(__name__)

#: Connections that wait to be accepted while all threads are busy.
_BACKLOG = 128


class _Server(wsgi.Server):
    """cheroot's server, logging where everything else logs."""

    def error_log(
        self, msg: str = "", level: int = logging.INFO, traceback: bool = False
    ) -> None:
        LOG.log(level, "cheroot: %s", msg, exc_info=traceback or None)


class APIServer:
    """One listening socket and its threads.

    :raises ValueError: when only one of certificate and key is configured
    """

    def __init__(self, conf: cfg.ConfigOpts, app: WSGIApp) -> None:
        options.register_opts(conf)
        self._server = _Server(
            (conf.osapi_karbor_listen, conf.osapi_karbor_listen_port),
            app,
            numthreads=conf.osapi_karbor_threads,
            server_name="karbor-api",
            request_queue_size=_BACKLOG,
            shutdown_timeout=conf.osapi_karbor_shutdown_timeout,
        )
        self._server.ssl_adapter = _tls(conf)
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where it listens, such as ``http://127.0.0.1:8799``; after start()."""
        host, port = self._server.bind_addr[:2]
        scheme = "https" if self._server.ssl_adapter else "http"
        return (
            f"{scheme}://[{host}]:{port}"
            if ":" in host
            else f"{scheme}://{host}:{port}"
        )

    def start(self) -> None:
        """Listen, and answer requests in the background.

        :raises OSError: when the address cannot be listened on
        """
        self._server.prepare()
        self._thread = threading.Thread(
            target=self._server.serve, name="karbor-api", daemon=True
        )
        self._thread.start()
        LOG.info("The API listens on %s", self.url)

    def stop(self) -> None:
        """Accept nothing new, let running requests end, and return then."""
        self._server.stop()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def wait(self) -> None:
        """Return when the server has ended, for whatever reason."""
        if self._thread is not None:
            self._thread.join()


def _tls(conf: cfg.ConfigOpts) -> BuiltinSSLAdapter | None:
    certificate, key = conf.osapi_karbor_cert_file, conf.osapi_karbor_key_file
    if bool(certificate) != bool(key):
        raise ValueError(
            "Options osapi_karbor_cert_file and osapi_karbor_key_file go together: "
            "set both or none."
        )
    return BuiltinSSLAdapter(certificate, key) if certificate else None
