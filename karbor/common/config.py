# SPDX-License-Identifier: Apache-2.0
"""Configuration: what every executable of Karbor reads before anything else."""

import os
import socket
from collections.abc import Sequence
from importlib import metadata

from oslo_config import cfg
from oslo_log import log
from oslo_middleware import cors
from oslo_policy import opts as policy_opts

CONF = cfg.CONF
LOG = log.getLogger(__name__)

#: Libraries whose DEBUG and INFO lines hide Karbor's own.
QUIET_LIBRARIES = (
    "amqp=WARN",
    "oslo.messaging=INFO",
    "oslo_messaging=INFO",
    "stevedore=INFO",
    "taskflow=WARN",
    "alembic=WARN",
    "cotyledon=INFO",
    "keystoneauth=WARN",
    "keystonemiddleware=INFO",
    "urllib3.connectionpool=WARN",
    "cinderclient=INFO",
    "freezerclient=INFO",
    "glanceclient=INFO",
    "manilaclient=INFO",
    "neutronclient=INFO",
    "novaclient=INFO",
    "swiftclient=WARN",
    "troveclient=INFO",
)

OPTS = [
    cfg.StrOpt(
        "host",
        default=socket.gethostname(),
        sample_default="<the machine's name>",
        help="Name of this service among the others. Two services on one machine "
        "need two names.",
    ),
    cfg.StrOpt(
        "state_path",
        default="/var/lib/karbor",
        help="Folder for what Karbor keeps on this machine, such as the SQLite "
        "database of a lab.",
    ),
    cfg.StrOpt(
        "protection_topic",
        default="karbor-protection",
        help="Topic on which the protection services listen. API and protection "
        "services of one cloud use the same.",
    ),
]


def set_library_defaults() -> None:
    """Change defaults of library options; the sample generator calls it too."""
    log.set_defaults(
        default_log_levels=[*log.get_default_log_levels(), *QUIET_LIBRARIES]
    )
    policy_opts.set_defaults(CONF, policy_file="policy.yaml")
    cors.set_defaults(
        allow_headers=["X-Auth-Token", "X-Openstack-Request-Id"],
        expose_headers=["X-Openstack-Request-Id"],
        allow_methods=["GET", "PUT", "POST", "DELETE"],
    )


def version() -> str:
    """The installed version, as ``--version`` prints it."""
    return metadata.version("karbor")


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options that more than one room reads."""
    conf.register_opts(OPTS)


def init(
    argv: Sequence[str],
    prog: str,
    conf: cfg.ConfigOpts = CONF,
    default_config_files: Sequence[str] | None = None,
) -> cfg.ConfigOpts:
    """Read the command line and the configuration files, and set up logging.

    :param argv: the arguments after the program's name
    :param prog: the executable's name; its own configuration file is
        ``<prog>.conf`` beside ``karbor.conf``
    :param default_config_files: instead of those that oslo.config looks for
    :returns: ``conf``, ready to use
    :raises SystemExit: when an argument is wrong, with a usage line
    :raises oslo_config.cfg.Error: when a file cannot be read or parsed
    """
    register_opts(conf)
    log.register_options(conf)
    set_library_defaults()
    conf(
        list(argv),
        project="karbor",
        prog=prog,
        version=version(),
        default_config_files=None
        if default_config_files is None
        else list(default_config_files),
    )
    log.setup(conf, "karbor")
    return conf


def mutate(conf: cfg.ConfigOpts) -> None:
    """Read the configuration files anew, for the options that may change.

    A mistake in them is logged, and the configuration stays as it was: a service
    must not end, and its operations with it, because a file is being edited.
    """
    try:
        conf.mutate_config_files()
    except (cfg.Error, SystemExit) as error:
        # oslo.config ends the process for a wrong value of an option that the
        # command line has too, after naming it on stderr.
        reason = (
            f"a value in {', '.join(conf.config_file or ())} is none that its option "
            "takes; stderr says which"
            if isinstance(error, SystemExit)
            else error
        )
        LOG.error(
            "The configuration stays as it was: %s. Mend it, and send SIGHUP again.",
            reason,
        )


def config_dir(conf: cfg.ConfigOpts) -> str:
    """The folder of the last configuration file read, or ``/etc/karbor``.

    Relative paths in the configuration, such as ``provider_config_dir``, start
    there.
    """
    if conf.config_file:
        return os.path.dirname(os.path.abspath(conf.config_file[-1]))
    return "/etc/karbor"
