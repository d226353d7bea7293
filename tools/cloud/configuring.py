# SPDX-License-Identifier: Apache-2.0
"""Writes the configuration of all services, from ``templates``."""

import os
import pwd
import re
import shutil
import string
import subprocess
from collections.abc import Mapping
from pathlib import Path

import lab

from cloud.settings import LISTENERS, REGION, Settings

_TEMPLATES = Path(__file__).with_name("templates")

#: What the packages bring, by service; below ``etc`` of the virtual environment.
_FROM_PACKAGES = {
    "glance": ("glance-api-paste.ini",),
    "cinder": (
        "api-paste.ini",
        "resource_filters.json",
        "rootwrap.conf",
        "rootwrap.d",
    ),
    "neutron": ("api-paste.ini",),
    "nova": ("api-paste.ini",),
    "manila": ("api-paste.ini", "rootwrap.conf", "rootwrap.d"),
    "trove": ("api-paste.ini",),
    "freezer": ("freezer-paste.ini",),
}

#: Folders that a service does not make for itself.
_DATA = (
    *("glance/images", "glance/staging", "glance/tasks"),
    *("cinder/conversion", "cinder/localfile"),
    *("nova/instances", "manila", "neutron", "trove"),
    *("swift/devices/sdb1", "swift/cache", "rabbitmq"),
)

_CREDENTIALS = """\
auth_url = {auth_url}
auth_type = password
username = {user}
password = {password}
project_name = service
user_domain_name = Default
project_domain_name = Default
region_name = {region}"""

_AUTHTOKEN = """\
www_authenticate_uri = {auth_url}
memcached_servers = {memcached}
service_token_roles = service
service_token_roles_required = true
"""

_OSLO = """\
[oslo_concurrency]
lock_path = {data}/{service}/lock
[oslo_messaging_notifications]
driver = noop
[oslo_messaging_rabbit]
rabbit_retry_interval = 1
[oslo_policy]
enforce_scope = true
enforce_new_defaults = true"""

_POOL = """\
max_pool_size = 10
max_overflow = 20
connection_recycle_time = 280"""

_SWIFT = """\
swift_dir = {etc}/swift
bind_ip = {host}
user = {user}
log_address = {run}/no-syslog"""


def write_configuration(settings: Settings) -> None:
    """Make all folders and files; what is there is written again."""
    for folder in (settings.etc, settings.log, settings.run):
        folder.mkdir(parents=True, exist_ok=True)
    for name in _DATA:
        (settings.data / name).mkdir(parents=True, exist_ok=True)
    for template in _TEMPLATES.glob("*/*"):
        service = template.parent.name
        path = settings.etc / service / template.name
        path.parent.mkdir(exist_ok=True)
        text = string.Template(template.read_text())
        path.write_text(text.substitute(_values(settings, service)))
    for service, names in _FROM_PACKAGES.items():
        for name in names:
            _copy(settings.venv / "etc" / service / name, settings.etc / service / name)
    for service in ("cinder", "manila"):
        _point_rootwrap(settings, service)
    for folder in ("fernet-keys", "credential-keys"):
        (settings.etc / "keystone" / folder).mkdir(exist_ok=True, mode=0o700)
    for server in ("account", "container", "object"):
        _make_ring(settings, server)


def _values(settings: Settings, service: str) -> Mapping[str, str]:
    """What a template of a service may name."""

    def credentials(user: str) -> str:
        return _CREDENTIALS.format(
            auth_url=settings.auth_url,
            user=user,
            password=settings.password,
            region=REGION,
        )

    memcached = settings.address("memcached")
    users = ("nova", "cinder", "neutron", "placement", "manila", "trove", "swift")
    return {
        "etc": str(settings.etc),
        "data": str(settings.data),
        "log": str(settings.log),
        "region": REGION,
        "password": settings.password,
        "token_seconds": str(settings.token_seconds),
        "keystone": settings.auth_url.removesuffix("/v3"),
        "memcached": memcached,
        "mariadb": settings.database_url.rstrip("/"),
        "rabbitmq": settings.transport_url,
        "pool": _POOL,
        "oslo": _OSLO.format(data=settings.data, service=service),
        "swift": _SWIFT.format(
            etc=settings.etc,
            host=lab.HOST,
            user=pwd.getpwuid(os.geteuid()).pw_name,
            run=settings.run,
        ),
        "authtoken": _AUTHTOKEN.format(auth_url=settings.auth_url, memcached=memcached)
        + credentials(service),
        **{f"credentials_{user}": credentials(user) for user in users},
        **{f"port_{name}": str(settings.port(name)) for name in LISTENERS},
    }


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, target)


def _point_rootwrap(settings: Settings, service: str) -> None:
    """Let rootwrap find its filters, and the programs of this cloud."""
    path = settings.etc / service / "rootwrap.conf"
    folders = settings.environment["PATH"].replace(os.pathsep, ",")
    text = path.read_text()
    for option, value in (
        ("filters_path", f"{settings.etc}/{service}/rootwrap.d"),
        ("exec_dirs", folders),
    ):
        text = re.sub(rf"^{option} *=.*$", f"{option}={value}", text, flags=re.M)
    path.write_text(text)


def _make_ring(settings: Settings, server: str) -> None:
    folder = settings.etc / "swift"
    if (folder / f"{server}.ring.gz").exists():
        return
    builder = folder / f"{server}.builder"
    builder.unlink(missing_ok=True)
    device = f"r1z1-{settings.address(f'swift_{server}')}/sdb1"
    for arguments in (("create", "4", "1", "1"), ("add", device, "1"), ("rebalance",)):
        subprocess.run(
            [settings.programs / "swift-ring-builder", builder, *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
        )
