# SPDX-License-Identifier: Apache-2.0
"""What the operations on servers are configured with."""

import dataclasses
import time
from collections.abc import Collection

from oslo_config import cfg

from karbor.context import RequestContext
from karbor.i18n import _
from karbor.services.protection.client_factory import ClientFactory
from karbor.services.protection.clients import (
    cinder_volumes,
    nova_compute,
    sessions,
)
from karbor.services.protection.clients.cinder_volumes import Volumes
from karbor.services.protection.clients.glance_images import Images
from karbor.services.protection.clients.neutron_networks import Neutron
from karbor.services.protection.clients.nova_compute import Compute, ServerThings
from karbor.services.protection.protection_plugins.settings import WaitingSettings
from karbor.services.protection.waiting.until import Thing, Until, Verdict

OPTS: list[cfg.Opt] = [
    cfg.FloatOpt(
        "poll_interval",
        default=15.0,
        min=0.01,
        help="Seconds between two looks at the servers that operations wait for, at "
        "most; the first looks come sooner.",
    ),
    cfg.FloatOpt(
        "status_timeout",
        default=1800.0,
        min=0.0,
        help="Seconds to wait for a server: until one that is changing has settled, "
        "is paused, suspended or running again, was made, or was deleted. Raise it "
        "where suspending writes much memory, or where building takes long.",
    ),
    cfg.BoolOpt(
        "same_floating_addresses",
        default=True,
        help="Whether to ask with the credentials of [service_auth] for the floating "
        "address that a server had, when it is free and only an administrator may "
        "choose an address, as is Neutron's own policy. Without it such a server gets "
        "another address.",
    ),
]


@dataclasses.dataclass(frozen=True)
class ServerSettings(WaitingSettings):
    """The plugin's options, and how its operations reach the cloud.

    :param same_floating_addresses: whether Karbor asks for them where callers may not
    """

    group = "nova_backup_protection_plugin"
    opts = OPTS
    service = "Nova"

    same_floating_addresses: bool

    def cloud(self, context: RequestContext) -> "Cloud":
        """The cloud as the caller sees it."""
        return Cloud(self, context)


#: Of a server that Nova keeps for a while after its deletion.
SOFT_DELETED = "soft_deleted"


class Cloud:
    """The parts of a cloud that a server is made of, as one caller sees them."""

    def __init__(self, settings: ServerSettings, context: RequestContext) -> None:
        self._settings = settings
        self._context = context
        create, conf = ClientFactory.create_client, settings.conf
        version = nova_compute.VERSION
        self.compute = Compute(create("nova", context, conf, version=version))
        self.neutron = Neutron(create("neutron", context, conf))

    @property
    def neutron_as_karbor(self) -> Neutron | None:
        """As Karbor's own user sees it; None when that is not to be used.

        Never in another cloud, where Karbor is nobody.
        """
        conf = self._settings.conf
        if (
            not self._settings.same_floating_addresses
            or self._context.is_foreign
            or sessions.service_auth(conf) is None
        ):
            return None
        return Neutron(
            ClientFactory.create_client(
                "neutron", self._context, conf, privileged_user=True
            )
        )

    @property
    def project_id(self) -> str:
        """The project that the caller works in."""
        return str(self._context.token_project_id)

    @property
    def is_admin(self) -> bool:
        """Whether the caller is an administrator."""
        return bool(self._context.is_admin)

    @property
    def status_timeout(self) -> float:
        """Seconds to wait for a server."""
        return self._settings.status_timeout

    def volumes(self) -> Volumes:
        """The volumes that the caller sees."""
        client = ClientFactory.create_client(
            "cinder", self._context, self._settings.conf, version=cinder_volumes.VERSION
        )
        return Volumes(client, self._context)

    def has_image(self, image_id: str) -> bool:
        """Whether the caller sees an image.

        :raises ServiceFailed: when Glance cannot be asked
        """
        client = ClientFactory.create_client(
            "glance", self._context, self._settings.conf
        )
        return Images(client).get(image_id) is not None

    def until(self, server_id: str, *goals: str, passing: Collection[str]) -> Until:
        """The wait for a server to come to rest in one of some statuses.

        :param goals: in lower case
        :param passing: the statuses on the way that are no rest, in lower case; any
            other one in which nothing goes on ends the wait
        """

        def judge(status: str | None, thing: Thing | None) -> Verdict:
            if status is None or thing is None:
                return Verdict.FAILED
            if thing.get("OS-EXT-STS:task_state") or status in passing:
                return Verdict.NOT_YET
            return Verdict.READY if status in goals else Verdict.FAILED

        return self._settings.patience.until(
            ServerThings(self.compute, self._context),
            server_id,
            judge,
            goal=" or ".join(f"'{goal}'" for goal in goals),
        )

    def until_rest(self, server_id: str, *, delay: float = 0.0) -> Until:
        """The wait for nothing to go on with a server, or for it to be gone.

        :param delay: seconds that it lasts at least, up to ``poll_interval``
        """
        begin = time.monotonic() + min(delay, self._settings.poll_interval)

        def judge(status: str | None, thing: Thing | None) -> Verdict:
            if thing is not None and thing.get("OS-EXT-STS:task_state"):
                return Verdict.NOT_YET
            return Verdict.READY if time.monotonic() >= begin else Verdict.NOT_YET

        return self._settings.patience.until(
            ServerThings(self.compute, self._context),
            server_id,
            judge,
            goal=_("at rest"),
        )

    def until_deleted(self, server_id: str) -> Until:
        """The wait for a server to be deleted, or to be kept as soft-deleted."""
        return self._until_gone(server_id, ("deleted", SOFT_DELETED))

    def until_gone(self, server_id: str) -> Until:
        """The wait for a server to be no more."""
        return self._until_gone(server_id, ("deleted",))

    def _until_gone(self, server_id: str, gone: Collection[str]) -> Until:
        def judge(status: str | None, thing: Thing | None) -> Verdict:
            is_gone = status is None or status in gone
            return Verdict.READY if is_gone else Verdict.NOT_YET

        return self._settings.patience.until(
            ServerThings(self.compute, self._context), server_id, judge, goal=_("gone")
        )
