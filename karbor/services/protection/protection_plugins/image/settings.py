# SPDX-License-Identifier: Apache-2.0
"""What the operations on images are configured with."""

import dataclasses

from oslo_config import cfg

from karbor.context import RequestContext
from karbor.services.protection.client_factory import ClientFactory
from karbor.services.protection.clients.glance_images import Images, ImageThings
from karbor.services.protection.protection_plugins.settings import WaitingSettings
from karbor.services.protection.waiting.until import Until

#: States of an image that turn into ``active`` by themselves.
#: https://docs.openstack.org/glance/latest/user/statuses.html
ON_THE_WAY = frozenset({"saving", "uploading", "importing"})

OPTS: list[cfg.Opt] = [
    cfg.FloatOpt(
        "poll_interval",
        default=10.0,
        min=0.01,
        help="Seconds between two looks at most at an image that is not ready yet; "
        "the first looks follow each other faster, see [waiting] first_interval.",
    ),
    cfg.FloatOpt(
        "status_timeout",
        default=600.0,
        min=0.0,
        help="Seconds to wait for an image to become active: one that is being "
        "uploaded when it is to be protected, or one that was restored. Raise it "
        "where Glance imports large images.",
    ),
    cfg.FloatOpt(
        "cleanup_timeout",
        default=120.0,
        min=0.0,
        help="Seconds to go on trying to delete the half-made image of a failed "
        "restore when Glance does not answer.",
    ),
]


@dataclasses.dataclass(frozen=True)
class ImageSettings(WaitingSettings):
    """The plugin's options, and how its operations reach Glance.

    :param cleanup_timeout: seconds to go on trying to delete a half-made image
    """

    group = "image_backup_plugin"
    opts = OPTS
    service = "Glance"

    cleanup_timeout: float

    def images(self, context: RequestContext) -> Images:
        """The images that the caller sees."""
        return Images(ClientFactory.create_client("glance", context, self.conf))

    def until_active(
        self,
        context: RequestContext,
        images: Images,
        image_id: str,
        pending: frozenset[str],
    ) -> Until:
        """The wait for an image's data to be all there.

        :param pending: the statuses on the way there
        """
        return self.patience.until_status(
            ImageThings(images, context), image_id, "active", pending=pending
        )
