# SPDX-License-Identifier: Apache-2.0
"""What the operations by Freezer are configured with."""

import dataclasses
from typing import Any

from oslo_config import cfg

from karbor.services.protection.protection_plugins.settings import WaitingSettings

OPTS: list[cfg.Opt] = [
    cfg.FloatOpt(
        "poll_interval",
        default=20.0,
        min=0.01,
        help="Seconds between two looks at most at a Freezer job; the first looks "
        "follow each other faster, see [waiting] first_interval.",
    ),
    cfg.FloatOpt(
        "pickup_timeout",
        default=600.0,
        min=0.0,
        help="Seconds to wait for a freezer-scheduler to take a job. Raise it where "
        "schedulers look for jobs rarely, or run few at a time.",
    ),
    cfg.FloatOpt(
        "job_timeout",
        default=43200.0,
        min=0.0,
        help="Seconds to wait for the end of a job that runs. Raise it where volumes "
        "are so large that Freezer needs longer.",
    ),
    cfg.FloatOpt(
        "status_timeout",
        default=1800.0,
        min=0.0,
        help="Seconds to wait for a restored volume or server to be ready, and for "
        "what a failed job has left to be gone.",
    ),
    cfg.StrOpt(
        "scheduler_client_id",
        help="The client id of the freezer-scheduler that runs the jobs. Default: any "
        "of those that are registered for the user and project.",
    ),
    cfg.StrOpt(
        "storage",
        default="swift",
        choices=["swift", "local", "ssh", "s3"],
        help="Where Freezer keeps the data.",
    ),
    cfg.StrOpt(
        "container",
        default="karbor",
        help="The container, bucket or folder in that storage. Each resource of a "
        "checkpoint gets a folder of its own below it.",
    ),
    cfg.StrOpt("ssh_key", help="The key's file on the scheduler, for storage ssh."),
    cfg.StrOpt("ssh_username", help="The user's name, for storage ssh."),
    cfg.StrOpt("ssh_host", help="The host, for storage ssh."),
    cfg.StrOpt("ssh_port", help="The port, for storage ssh."),
    cfg.StrOpt("endpoint", help="The URL, for storage s3."),
    cfg.StrOpt(
        "access_key",
        secret=True,
        help="The access key, for storage s3. It is part of Freezer's jobs.",
    ),
    cfg.StrOpt(
        "secret_key",
        secret=True,
        help="The secret key, for storage s3. It is part of Freezer's jobs: leave the "
        "keys empty, and give the schedulers ACCESS_KEY and SECRET_KEY in their "
        "environment.",
    ),
]

#: What an action has besides, by the kind of storage.
_STORAGE_OPTIONS = {
    "ssh": ("ssh_key", "ssh_username", "ssh_host", "ssh_port"),
    "s3": ("endpoint", "access_key", "secret_key"),
}


@dataclasses.dataclass(frozen=True)
class FreezerSettings(WaitingSettings):
    """The plugins' options.

    :param pickup_timeout: seconds to wait for a scheduler
    :param job_timeout: seconds to wait for the end of a job
    :param scheduler_client_id: of the one scheduler to use; None for any
    :param storage: as Freezer names it
    :param container: where each resource gets its folder
    """

    group = "freezer_protection_plugin"
    opts = OPTS
    service = "the cloud"

    pickup_timeout: float
    job_timeout: float
    scheduler_client_id: str | None
    storage: str
    container: str

    def storage_fields(self, storage: str) -> dict[str, Any]:
        """How an action reaches a storage; what is not set is left to the scheduler.

        They come from the configuration each time: the bank keeps no credentials.
        """
        group = self.conf[self.group]
        options = {name: group[name] for name in _STORAGE_OPTIONS.get(storage, ())}
        return {
            "storage": storage,
            **{name: value for name, value in options.items() if value},
        }
