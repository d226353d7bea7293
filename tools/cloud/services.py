# SPDX-License-Identifier: Apache-2.0
"""Which processes a cloud is, and how each is started."""

import os
from collections.abc import Iterator

import lab

from cloud.processes import Process
from cloud.settings import Settings

_RABBITMQ = "/usr/lib/rabbitmq/bin/rabbitmq-server"

#: Each of Swift's processes: its module, and the configuration that it reads.
_SWIFT = {
    "account": ("swift.account.server", "account-server"),
    "container": ("swift.container.server", "container-server"),
    "object": ("swift.obj.server", "object-server"),
    "proxy": ("swift.proxy.server", "proxy-server"),
    # Without this one, accounts do not list the containers that the expirer reads.
    "container-updater": ("swift.container.updater", "container-server"),
    "object-updater": ("swift.obj.updater", "object-server"),
    "expirer": ("swift.obj.expirer", "object-expirer"),
}

_UWSGI = (
    "--master",
    "--lazy-apps",
    *("--processes", "1", "--threads", "4"),
    "--enable-threads",
    "--die-on-term",
    "--need-app",
    *("--buffer-size", "65535"),
    "--http-chunked-input",
    *("--chunked-input-limit", "1073741824", "--chunked-input-timeout", "60"),
    # It ends an answer whose reader pauses for 4 s, as Freezer's agent does.
    *("--socket-timeout", "120"),
    # It would close the connection after the first request all the same.
    *("--add-header", "Connection: close"),
    "--thunder-lock",
    *("--worker-reload-mercy", "5"),
    "--disable-logging",
)


def infrastructure(settings: Settings) -> list[Process]:
    """What the services stand on."""
    return [
        _mariadb(settings),
        _memcached(settings),
        # Started here and in the foreground: else the broker starts one that stays.
        _epmd(settings),
        _rabbitmq(settings),
    ]


def identity(settings: Settings) -> Process:
    """Keystone, which all others need."""
    return _api(settings, "keystone", "keystone", "keystone.wsgi.api:application")


def others(settings: Settings) -> list[Process]:
    """All other services."""
    return [
        *_swift(settings),
        _api(settings, "glance", "glance", "glance.wsgi.api:application"),
        _api(settings, "placement", "placement", "placement.wsgi.api:application"),
        _api(
            settings,
            "cinder-api",
            "cinder",
            "cinder.wsgi.api:application",
            arguments=f"--config-file {settings.etc}/cinder/cinder.conf "
            "--log-file cinder-api.log",
        ),
        *_daemons(settings, "cinder", "scheduler", "volume", "backup"),
        _api(settings, "nova-api", "nova", "nova.wsgi.osapi_compute:application"),
        *_daemons(settings, "nova", "conductor", "scheduler", "compute"),
        _api(settings, "neutron", "neutron", "neutron.wsgi.api:application"),
        _api(
            settings,
            "manila-api",
            "manila",
            "manila.wsgi.api:application",
            arguments=f"--config-file {settings.etc}/manila/manila.conf "
            "--log-file manila-api.log",
        ),
        *_daemons(settings, "manila", "scheduler", "share"),
        *_daemons(settings, "trove", "api", "taskmanager", "conductor"),
        _api(
            settings,
            "freezer-api",
            "freezer",
            "freezer_api.wsgi",
            arguments=f"--config-file {settings.etc}/freezer/freezer-api.conf",
        ),
    ]


def all_processes(settings: Settings) -> list[Process]:
    """In the order in which they are started."""
    return [*infrastructure(settings), identity(settings), *others(settings)]


def _mariadb(settings: Settings) -> Process:
    return Process(
        "mariadb",
        (
            *("mariadbd", "--no-defaults", *_as_root("--user=root")),
            f"--datadir={settings.data}/mariadb",
            f"--bind-address={lab.HOST}",
            f"--port={settings.port('mariadb')}",
            f"--socket={settings.mariadb_socket}",
            f"--pid-file={settings.run}/mariadb.pid",
            f"--init-file={settings.etc}/mariadb/init.sql",
            "--max-connections=1000",
            # Nobody needs this data after a power cut.
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-doublewrite=0",
            "--innodb-flush-method=nosync",
            "--innodb-buffer-pool-size=256M",
            "--skip-log-bin",
            "--skip-name-resolve",
            "--character-set-server=utf8mb3",
            "--performance-schema=0",
        ),
        settings.port("mariadb"),
    )


def _memcached(settings: Settings) -> Process:
    port = settings.port("memcached")
    command = ("memcached", *_as_root("-u", "root"), "-l", lab.HOST, "-p", str(port))
    return Process("memcached", (*command, "-U", "0"), port)


def _epmd(settings: Settings) -> Process:
    port = settings.port("epmd")
    return Process("epmd", ("epmd", "-address", lab.HOST, "-port", str(port)), port)


def _rabbitmq(settings: Settings) -> Process:
    folder = settings.data / "rabbitmq"
    etc = settings.etc / "rabbitmq"
    return Process(
        "rabbitmq",
        (_RABBITMQ,),
        settings.port("rabbitmq"),
        {
            "HOME": str(folder),
            "ERL_EPMD_ADDRESS": lab.HOST,
            "ERL_EPMD_PORT": str(settings.port("epmd")),
            "RABBITMQ_NODENAME": "cloud@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": lab.HOST,
            "RABBITMQ_NODE_PORT": str(settings.port("rabbitmq")),
            "RABBITMQ_DIST_PORT": str(settings.port("rabbitmq_distribution")),
            "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
            "RABBITMQ_LOG_BASE": str(settings.log / "rabbitmq"),
            "RABBITMQ_CONF_ENV_FILE": str(etc / "rabbitmq-env.conf"),
            "RABBITMQ_CONFIG_FILE": str(etc / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(etc / "enabled_plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none"
            ),
        },
    )


def _swift(settings: Settings) -> Iterator[Process]:
    listeners = {
        "account": "swift_account",
        "container": "swift_container",
        "object": "swift_object",
        "proxy": "swift",
    }
    for name, (module, configuration) in _SWIFT.items():
        yield Process(
            f"swift-{name}",
            (
                str(settings.programs / "python"),
                str(lab.TOOLS / "swift_daemon.py"),
                module,
                str(settings.etc / "swift" / f"{configuration}.conf"),
                f"swift-{name}",
            ),
            settings.port(listeners[name]) if name in listeners else None,
        )


def _api(
    settings: Settings, name: str, service: str, module: str, arguments: str = ""
) -> Process:
    """A WSGI application under uwsgi.

    :param arguments: what the application takes for its command line
    """
    port = settings.port(service)
    folder = str(settings.etc / service)
    return Process(
        name,
        (
            str(settings.programs / "uwsgi"),
            *("--http-socket", f"{lab.HOST}:{port}", "--home", str(settings.venv)),
            *("--module", module, *_UWSGI),
            *(("--pyargv", arguments) if arguments else ()),
        ),
        port,
        {
            f"OS_{service.upper()}_CONFIG_DIR": folder,
            **_CONFIG_FILES.get(service, {}),
        },
    )


#: For those that do not find their files by their folder alone.
_CONFIG_FILES = {
    "nova": {"OS_NOVA_CONFIG_FILES": "api-paste.ini;nova.conf;nova-api.conf"},
    "neutron": {"OS_NEUTRON_CONFIG_FILES": "neutron.conf"},
}


def _daemons(settings: Settings, service: str, *names: str) -> Iterator[Process]:
    configuration = str(settings.etc / service / f"{service}.conf")
    for name in names:
        program = f"{service}-{name}"
        yield Process(
            program,
            (str(settings.programs / program), "--config-file", configuration),
            settings.port(service) if name == "api" else None,
        )


def _as_root(*options: str) -> tuple[str, ...]:
    """Options that a server wants when it runs as root."""
    return options if os.geteuid() == 0 else ()
