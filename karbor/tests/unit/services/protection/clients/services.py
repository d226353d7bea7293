# SPDX-License-Identifier: Apache-2.0
"""Every service as its client sees it, and one call of each."""

import dataclasses
import json
from collections.abc import Callable
from typing import Any

from oslo_config import cfg

from karbor.context import RequestContext
from karbor.tests.fakes.web import Answer

PROJECT = "0123456789abcdef0123456789abcdef"


@dataclasses.dataclass(frozen=True)
class Service:
    """A service as its client sees it.

    :param call: one GET
    :param types: names that catalogues have for it
    :param version: what catalogues have behind its URL
    :param path: where the call arrives, without the query
    """

    call: Callable[[Any], Any]
    types: tuple[str, ...]
    version: str
    path: str


SERVICES = {
    "cinder": Service(
        lambda client: client.volumes.list(),
        ("volumev3", "block-storage", "block-store", "volume"),
        f"/v3/{PROJECT}",
        f"/v3/{PROJECT}/volumes/detail",
    ),
    "freezer": Service(
        lambda client: client.jobs.list_all(),
        ("backup",),
        "",
        f"/v2/{PROJECT}/jobs/",
    ),
    "glance": Service(
        lambda client: list(client.images.list()), ("image",), "", "/v2/images"
    ),
    "keystone": Service(
        lambda client: client.get("/projects"), ("identity",), "/v3", "/v3/projects"
    ),
    "manila": Service(
        lambda client: client.shares.list(),
        ("sharev2", "shared-file-system"),
        "/v2",
        "/v2/shares/detail",
    ),
    "neutron": Service(
        lambda client: client.list_networks(), ("network",), "", "/v2.0/networks"
    ),
    "nova": Service(
        lambda client: client.servers.list(),
        ("compute",),
        "/v2.1",
        "/v2.1/servers/detail",
    ),
    "swift": Service(
        lambda client: client.get_account(),
        ("object-store",),
        f"/v1/AUTH_{PROJECT}",
        f"/v1/AUTH_{PROJECT}",
    ),
    "trove": Service(
        lambda client: client.instances.list(),
        ("database",),
        f"/v1.0/{PROJECT}",
        f"/v1.0/{PROJECT}/instances",
    ),
}

NAMES = sorted(SERVICES)
ALL_TYPES = [(name, kind) for name in NAMES for kind in SERVICES[name].types]
#: Their calls that a service has not answered are sent again by the library itself.
_QUICK = "retries = 0\nretry_interval = 0.01\n"
_QUICK_SWIFT = f"{_QUICK}swift_retry_attempts = 0\nswift_retry_backoff = 0\n"

_LISTS = ("images", "instances", "jobs", "networks", "projects", "servers", "shares")
NOTHING = json.dumps({name: [] for name in (*_LISTS, "volumes")}).encode()


def nothing(request):
    return Answer(body=b"[]" if "/AUTH_" in request.path else NOTHING)


def configuration(tmp_path, name, more="", text=""):
    path = tmp_path / "karbor.conf"
    quick = _QUICK_SWIFT if name == "swift" else _QUICK
    path.write_text(f"[{name}_client]\n{quick}{more}\n{text}")
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[str(path)])
    return conf


def caller(catalog=()):
    return RequestContext(
        user_id="alice",
        project_id=PROJECT,
        auth_token="user-token",
        service_catalog=list(catalog),
        overwrite=False,
    )
