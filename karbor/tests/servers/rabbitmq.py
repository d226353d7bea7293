# SPDX-License-Identifier: Apache-2.0
"""A private RabbitMQ."""

import os
import secrets

import kombu

from karbor.tests.servers.server import (
    LOOPBACK,
    Server,
    ServerMissing,
    find_program,
    free_port,
)

#: The server itself. The rabbitmq-server of the PATH is Debian's wrapper, which
#: changes to the user rabbitmq and to the folders of the machine's own broker.
_SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server"


class RabbitMQ(Server):
    """RabbitMQ with a port mapper (epmd) of its own; all ports are on loopback."""

    name = "RabbitMQ"

    def __init__(self) -> None:
        if not os.access(_SERVER, os.X_OK):
            raise ServerMissing(self.name, _SERVER)
        self._epmd = find_program(self.name, "epmd")
        super().__init__()
        self._port, self._epmd_port, self._dist_port = (free_port() for _ in range(3))
        self._password = secrets.token_hex(16)

    @property
    def url(self) -> str:
        """For oslo.messaging's ``transport_url``."""
        return f"rabbit://karbor:{self._password}@{LOOPBACK}:{self._port}/"

    def _prepare(self) -> None:
        (self.folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.default = {LOOPBACK}:{self._port}\n"
            "default_user = karbor\n"
            f"default_pass = {self._password}\n"
            "disk_free_limit.absolute = 1MB\n"
        )
        (self.folder / "enabled_plugins").write_text("[].\n")

    def _launch(self) -> None:
        # Started here and in the foreground: else the broker starts one that stays.
        self._spawn(
            [self._epmd, "-address", LOOPBACK, "-port", str(self._epmd_port)],
            environment=self._environment(),
        )
        self._spawn([_SERVER], environment=self._environment())

    def consumers(self, queue: str) -> int:
        """How many consumers wait for the messages of a queue.

        :raises kombu.exceptions.ChannelError: when there is no such queue
        """
        with self._connection() as connection, connection.channel() as channel:
            return channel.queue_declare(queue, passive=True).consumer_count

    def _connect(self) -> None:
        with self._connection() as connection:
            connection.connect()

    def _connection(self) -> kombu.Connection:
        url = self.url.replace("rabbit://", "amqp://") + "/"
        return kombu.Connection(url, connect_timeout=5)

    def _environment(self) -> dict[str, str]:
        folder = str(self.folder)
        return {
            "HOME": folder,
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_EPMD_PORT": str(self._epmd_port),
            "RABBITMQ_NODENAME": "karbor@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": LOOPBACK,
            "RABBITMQ_NODE_PORT": str(self._port),
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_CONF_ENV_FILE": f"{folder}/rabbitmq-env.conf",
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/enabled_plugins",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none"
            ),
        }
