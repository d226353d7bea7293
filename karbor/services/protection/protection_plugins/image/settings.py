# SPDX-License-Identifier: Apache-2.0
"""What the operations on images are configured with."""

import dataclasses

from oslo_config import cfg

from karbor.context import RequestContext
from karbor.services.protection.client_factory import ClientFactory
from karbor.services.protection.clients.glance_images import Images, ImageThings
from karbor.services.protection.waiting.until import Until, until_status

GROUP = "image_backup_plugin"

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


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Make the group ``[image_backup_plugin]`` known to a configuration."""
    conf.register_opts(OPTS, group=GROUP)


@dataclasses.dataclass(frozen=True)
class ImageSettings:
    """The plugin's options, and how its operations reach Glance.

    :param conf: the provider's configuration
    :param poll_interval: seconds between two looks at an image at most
    :param status_timeout: seconds to wait for an image to become active
    :param cleanup_timeout: seconds to go on trying to delete a half-made image
    """

    conf: cfg.ConfigOpts
    poll_interval: float
    status_timeout: float
    cleanup_timeout: float

    @classmethod
    def from_conf(cls, conf: cfg.ConfigOpts) -> "ImageSettings":
        """Read the plugin's group of a provider's configuration."""
        register_opts(conf)
        group = conf[GROUP]
        return cls(
            conf=conf,
            poll_interval=group.poll_interval,
            status_timeout=group.status_timeout,
            cleanup_timeout=group.cleanup_timeout,
        )

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
        return until_status(
            ImageThings(images, context),
            image_id,
            "active",
            pending=pending,
            timeout=self.status_timeout,
            interval=self.poll_interval,
            hint=f"Raise [{GROUP}] status_timeout where Glance takes longer",
        )
