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


OPTS: list[cfg.Opt] = [
    cfg.HostAddressOpt(
        "osapi_karbor_listen",
        default="127.0.0.1",
        help=(
            "Address that karbor-api listens on. Default 127.0.0.1. Use 0.0.0.0 or "
            ":: for all."
        ),
    ),
    cfg.PortOpt(
        "osapi_karbor_listen_port",
        default=8799,
        help="Port that karbor-api listens on. Default 8799; 0 for any free one.",
    ),
    cfg.IntOpt(
        "osapi_karbor_threads",
        default=16,
        min=1,
        help=(
            "Requests that one karbor-api process answers at the same time. Default "
            "16. Raise it when many callers wait for slow protection services."
        ),
    ),
    cfg.IntOpt(
        "osapi_karbor_shutdown_timeout",
        default=30,
        min=1,
        help=(
            "Seconds that requests may go on after SIGTERM. Default 30. Keep it "
            "above rpc_response_timeout to lose no answer."
        ),
    ),
    cfg.StrOpt(
        "osapi_karbor_cert_file",
        help=(
            "PEM file of the server's certificate and its chain. Default: none, "
            "plain HTTP. Set it, with the key, when no proxy ends TLS in front."
        ),
    ),
    cfg.StrOpt(
        "osapi_karbor_key_file",
        help=(
            "PEM file of the private key of osapi_karbor_cert_file. Default: none. "
            "Set it together with the certificate."
        ),
    ),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register where and how to listen, and the API's own options."""
    conf.register_opts(OPTS)
    options.register_opts(conf)


class _CherootServer(wsgi.Server):
    """cheroot's server, logging where everything else logs."""

    def error_log(
        self, msg: str = "", level: int = logging.INFO, traceback: bool = False
    ) -> None:
        LOG.log(level, "cheroot: %s", msg, exc_info=traceback or None)


class Server:
    """One listening socket and its threads.

    :raises ValueError: when only one of certificate and key is configured
    """

    def __init__(self, conf: cfg.ConfigOpts, app: WSGIApp) -> None:
        register_opts(conf)
        self._server = _CherootServer(
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
