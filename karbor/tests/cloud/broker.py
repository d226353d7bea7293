# SPDX-License-Identifier: Apache-2.0
"""A cloud's RabbitMQ, and who listens on it."""

import contextlib
from collections.abc import Iterator

import kombu
from amqp.exceptions import NotFound

from karbor.tests.cloud.cloud import Cloud
from karbor.tests.rabbit.daemon import wait_until

#: A queue of each service of the cloud that takes calls over RabbitMQ.
_QUEUES = (
    *("cinder-backup", "cinder-scheduler", "cinder-volume.cloud@localfile"),
    *("compute", "conductor", "scheduler"),
    *("manila-scheduler", "manila-share"),
    *("taskmanager", "trove-conductor"),
)

_PATIENCE = 300


@contextlib.contextmanager
def stopped(cloud: Cloud) -> Iterator[None]:
    """Stop it; at the end start it, and wait until all services listen again.

    What the API of one of them sends before that is lost without a word.
    """
    cloud.stop("rabbitmq")
    try:
        yield
    finally:
        cloud.start("rabbitmq")
        wait_until(lambda: not _unheard(cloud), "services that listen again", _PATIENCE)


def _unheard(cloud: Cloud) -> list[str]:
    """The queues on which nobody listens."""
    url = cloud.transport_url.replace("rabbit://", "amqp://") + "/"
    with kombu.Connection(url, connect_timeout=5) as connection:
        return [queue for queue in _QUEUES if not _consumers(connection, queue)]


def _consumers(connection: kombu.Connection, queue: str) -> int:
    with connection.channel() as channel:
        try:
            return int(channel.queue_declare(queue, passive=True).consumer_count)
        except NotFound:
            return 0
