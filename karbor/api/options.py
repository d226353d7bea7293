# SPDX-License-Identifier: Apache-2.0
"""Options of the REST API, all in ``[DEFAULT]``."""

from oslo_config import cfg
from oslo_middleware import sizelimit

#: A plan of 10,000 resources is about 2 MiB of JSON.
MAX_BODY_BYTES = 16 * 1024 * 1024

OPTS: list[cfg.Opt] = [
    cfg.StrOpt(
        "auth_strategy",
        default="keystone",
        choices=[
            ("keystone", "Tokens are checked with Keystone, [keystone_authtoken]."),
            ("noauth", "Everybody is an admin of the project in the URL."),
        ],
        help=(
            "How callers are identified. Default keystone. Use noauth only in a "
            "lab, on a loopback address."
        ),
    ),
    cfg.StrOpt(
        "public_endpoint",
        help=(
            "URL that callers reach this API by, without the version, for the links "
            "in answers: for example https://cloud.example.com/data-protect. "
            "Default: what the request says. Set it behind a proxy that does not "
            "forward the host."
        ),
    ),
    cfg.IntOpt(
        "service_down_time",
        default=60,
        min=1,
        help=(
            "Seconds after its last report that a service counts as down. Default "
            "60. Keep it at several times the services' report interval."
        ),
    ),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the API's options, and a body limit that large plans fit in."""
    conf.register_opts(OPTS)
    conf.register_opts(sizelimit.OPTS, group="oslo_middleware")
    conf.set_default("max_request_body_size", MAX_BODY_BYTES, group="oslo_middleware")


def list_opts() -> list[tuple[str | None, list[cfg.Opt]]]:
    """The options by group, for the sample configuration."""
    return [(None, OPTS)]
