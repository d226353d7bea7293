# SPDX-License-Identifier: Apache-2.0
"""The options that every cloud service's client has, under its own group.

The names of Karbor 1.x stay: ``[glance_client] glance_endpoint`` and so on.
"""

import dataclasses

from oslo_config import cfg


@dataclasses.dataclass(frozen=True)
class ServiceOptions:
    """Which service, and the options of its group.

    :param service: the name that plugins give to ``create_client``
    :param group: the configuration group, ``<service>_client``
    :param service_type: as catalogues name it that nothing is configured for
    :param service_name: likewise
    :param options: for ``register_opts``
    :param version: of its API, which a URL gets that has none; empty where the client
        library puts it there
    :param appends_project: whether a configured endpoint gets ``/<project id>``
        appended, behind the version, as Karbor 1.x does for Nova and Cinder
    """

    service: str
    group: str
    service_type: str
    service_name: str
    options: tuple[cfg.Opt, ...]
    version: str = ""
    appends_project: bool = False

    def register(self, conf: cfg.ConfigOpts) -> cfg.ConfigOpts.GroupAttr:
        """Make the options known to a configuration and return their group."""
        conf.register_opts(list(self.options), group=self.group)
        return conf[self.group]


def service_options(
    service: str,
    service_type: str,
    service_name: str,
    *,
    version: str = "",
    appends_project: bool = False,
    extra: tuple[cfg.Opt, ...] = (),
    repeated: str = "",
) -> ServiceOptions:
    """The usual options of one service.

    :param service_type: as Keystone's catalogue names it
    :param service_name: likewise
    :param version: see :class:`ServiceOptions`
    :param appends_project: likewise
    :param extra: options that only this service has
    :param repeated: what else to tell of the repetition of calls
    """
    options = (
        cfg.StrOpt(
            f"{service}_endpoint",
            help=f"URL of the {service} endpoint. Unset, it comes from the "
            "catalogue of the caller's token. Set it where there is no catalogue, "
            "such as a lab without Keystone, or to take another road than the "
            "catalogue's.",
        ),
        cfg.StrOpt(
            f"{service}_catalog_info",
            default=f"{service_type}:{service_name}:publicURL",
            help=f"What to look for in the token's catalogue when {service}_endpoint "
            "is unset: <service_type>:<service_name>:<endpoint_type>, the last one "
            "of publicURL, internalURL and adminURL.",
        ),
        cfg.StrOpt(
            f"{service}_ca_cert_file",
            help="File with the certificates of the authorities that sign the "
            f"certificate of {service}. Default: those that the system trusts.",
        ),
        cfg.BoolOpt(
            f"{service}_auth_insecure",
            default=False,
            help=f"Do not check the certificate of {service}. For tests only.",
        ),
        cfg.StrOpt(
            "service_name",
            default=service_name,
            help="Name of the service in the catalogue of Karbor's own credentials, "
            "looked at when the caller's has no entry.",
        ),
        cfg.StrOpt(
            "service_type",
            default=service_type,
            help="Type of the service in that catalogue.",
        ),
        cfg.StrOpt(
            "region_id",
            help="Region whose endpoint is taken from a catalogue. Default: the "
            "first one that the catalogue names. Set it in clouds of several "
            "regions.",
        ),
        cfg.StrOpt(
            "interface",
            default="internal",
            choices=["public", "internal", "admin"],
            help="Interface of the service in the catalogue of Karbor's own "
            "credentials.",
        ),
        cfg.FloatOpt(
            "connect_timeout",
            default=10.0,
            min=0.1,
            help="Seconds to wait for a connection. Raise it on slow networks.",
        ),
        cfg.FloatOpt(
            "read_timeout",
            default=600.0,
            min=0.1,
            help="Seconds to wait for the next bytes of an answer. Raise it where "
            "the service is slow to finish a large upload.",
        ),
        cfg.IntOpt(
            "retries",
            default=3,
            min=0,
            help="How often a GET, HEAD or DELETE is repeated after a lost connection, "
            "a 408, 429, 500, 502, 503 or 504. A POST, PUT or PATCH is repeated only "
            f"where no connection could be made, so that it was never sent.{repeated}",
        ),
        cfg.FloatOpt(
            "retry_interval",
            default=1.0,
            min=0.01,
            help="Seconds to wait before the first repetition, at most; doubled for "
            "each further one, up to a minute. A service that asks for more by "
            f"Retry-After gets it, up to a minute.{repeated}",
        ),
        *extra,
    )
    return ServiceOptions(
        service=service,
        group=f"{service}_client",
        service_type=service_type,
        service_name=service_name,
        options=options,
        version=version,
        appends_project=appends_project,
    )
